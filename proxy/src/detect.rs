//! What a client speaks, told from its first bytes. Pure: reading them is the caller's.
//!
//! A guess that is wrong would break a protocol nobody told us about, so HTTP/1 is believed only
//! once its request line says so, not when a line merely begins like one (`SET key value` is
//! Redis).

pub mod client_hello;
pub mod habits;
pub mod opening;
pub mod proxy_protocol;

use self::client_hello::ClientHello;

/// What the first bytes are the beginning of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Spoken {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113, section 3.3).
    Http2,
    /// TLS.
    Tls(ClientHello),
    /// Anything else.
    Opaque,
}

/// What `bytes` are the beginning of; nothing while more of them are needed to say.
#[must_use]
pub fn detect(bytes: &[u8]) -> Option<Spoken> {
    // In however many pieces they come, no more of them are looked at.
    let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
    match bytes.first()? {
        &client_hello::HANDSHAKE => match client_hello::parse(bytes) {
            client_hello::Parsed::Hello(hello) => Some(Spoken::Tls(hello)),
            client_hello::Parsed::Partial if bytes.len() < LONGEST => None,
            client_hello::Parsed::Partial | client_hello::Parsed::Other => Some(Spoken::Opaque),
        },
        _ if PREFACE.starts_with(bytes.get(..PREFACE.len()).unwrap_or(bytes)) => {
            (bytes.len() >= PREFACE.len()).then_some(Spoken::Http2)
        }
        _ => detect_request_line(bytes),
    }
}

/// Whether it is worth waiting long for more of `bytes`, of which there are not enough to say: all
/// methods of HTTP that are registered are in upper case (IANA, "HTTP Method Registry"), and what
/// is not may be a word to which there is no more (ZooKeeper's `ruok`).
#[must_use]
pub fn is_promising(bytes: &[u8]) -> bool {
    bytes.first() == Some(&client_hello::HANDSHAKE) || begins_with_method(bytes)
}

/// Whether `bytes` begin with what may be a method that is registered, or a part of one.
#[must_use]
pub fn begins_with_method(bytes: &[u8]) -> bool {
    let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-')
}

/// `method SP request-target SP HTTP/1.x CRLF` (RFC 9112, section 3).
fn detect_request_line(bytes: &[u8]) -> Option<Spoken> {
    let line = bytes.iter().position(|byte| *byte == b'\n').and_then(|end| bytes.get(..end));
    if let Some(line) = line {
        let is_one = begins_as_request_line(line) && ends_as_request_line(line);
        return Some(if is_one { Spoken::Http1 } else { Spoken::Opaque });
    }
    let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    match begins_as_request_line(bytes) {
        true if bytes.len() < LONGEST => None,
        // A target this long is still HTTP's, and its parser is the one to refuse it.
        true if KNOWN_METHODS.contains(&method) => Some(Spoken::Http1),
        _ => Some(Spoken::Opaque),
    }
}

/// What holds for a request line and for every beginning of one, so that it does not matter in
/// which pieces it comes.
fn begins_as_request_line(bytes: &[u8]) -> bool {
    let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    method.len() <= LONGEST_METHOD
        && method.iter().all(|byte| is_token(*byte))
        && bytes.strip_suffix(b"\r").unwrap_or(bytes).iter().all(|byte| !byte.is_ascii_control())
}

fn ends_as_request_line(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().unwrap_or_default();
    let version = words.next_back().unwrap_or_default();
    !method.is_empty()
        && method.iter().all(|byte| is_token(*byte))
        && (version == b"HTTP/1.1" || version == b"HTTP/1.0")
}

/// A character of a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// How many bytes are read before a decision is due.
pub const LONGEST: usize = 16 * 1024;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LONGEST_METHOD: usize = 32;
const KNOWN_METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE"];

#[cfg(test)]
mod tests;
