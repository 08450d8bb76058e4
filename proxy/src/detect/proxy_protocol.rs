//! The header with which a load balancer says whose connection it passes on: the PROXY protocol,
//! versions 1 and 2 (haproxy's `proxy-protocol.txt`). Pure: reading the bytes is the caller's.
//!
//! Where such a header is expected one must come: the protocol forbids to guess. What is not
//! exactly one is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How far the bytes got.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parsed {
    /// A whole header.
    Header(Header),
    /// The beginning of one.
    Partial,
    /// Not one.
    Other,
}

/// A header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Whose connection it is; nothing if the sender does not know, or speaks for itself.
    pub client: Option<SocketAddr>,
    /// How many bytes the header has.
    pub length: usize,
}

/// Reads a header from the beginning of a connection.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    if begins(bytes, SIGNATURE) {
        return binary(bytes);
    }
    if begins(bytes, TEXT) {
        return text(bytes);
    }
    Parsed::Other
}

/// Whether `bytes` begin with `start`, as far as they go.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    let length = bytes.len().min(start.len());
    bytes.get(..length) == start.get(..length)
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`, section 2.1.
fn text(bytes: &[u8]) -> Parsed {
    let window = bytes.get(..LONGEST_TEXT).unwrap_or(bytes);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LONGEST_TEXT { Parsed::Partial } else { Parsed::Other };
    };
    let line = bytes.get(..end).and_then(|line| str::from_utf8(line).ok());
    match line.and_then(text_client) {
        Some(client) => Parsed::Header(Header { client, length: end + 2 }),
        None => Parsed::Other,
    }
}

/// The client that a line names, or that it names none; nothing if it is malformed.
fn text_client(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    let family = words.nth(1)?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let (source, destination) = (address(family, words.next()?)?, address(family, words.next()?)?);
    let (from, _to) = (port(words.next()?)?, port(words.next()?)?);
    (words.next().is_none() && source.is_ipv4() == destination.is_ipv4())
        .then(|| Some(SocketAddr::new(source, from)))
}

fn address(family: &str, word: &str) -> Option<IpAddr> {
    match family {
        "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    }
}

fn port(word: &str) -> Option<u16> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = word.len() == 1 || !word.starts_with('0');
    (is_plain && is_short).then(|| word.parse().ok()).flatten()
}

/// Section 2.2: signature, version and command, family, length, addresses, and further values,
/// which are skipped.
fn binary(bytes: &[u8]) -> Parsed {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else {
        return if is_known(bytes.get(SIGNATURE.len())) { Parsed::Partial } else { Parsed::Other };
    };
    let [command, family, high, low] = fixed.get(SIGNATURE.len()..).unwrap_or_default() else {
        return Parsed::Other;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if !is_known(Some(command)) || length > LONGEST_BINARY {
        return Parsed::Other;
    }
    let Some(block) = rest.get(..length) else { return Parsed::Partial };
    let client = match (*command, *family) {
        (LOCAL, _) | (PROXY, UNSPECIFIED | UNIX_STREAM | UNIX_DATAGRAM) => Some(None),
        (PROXY, TCP4) => ipv4(block).map(Some),
        (PROXY, TCP6) => ipv6(block).map(Some),
        // A datagram's sender has no connection here, and all else has no meaning.
        _ => None,
    };
    match client {
        Some(client) => Parsed::Header(Header { client, length: FIXED + length }),
        None => Parsed::Other,
    }
}

/// Whether it is a command of this version; what has not come yet may be one.
fn is_known(command: Option<&u8>) -> bool {
    command.is_none_or(|command| matches!(*command, LOCAL | PROXY))
}

/// Source, destination, and the port of each.
fn ipv4(block: &[u8]) -> Option<SocketAddr> {
    let source: [u8; 4] = block.get(..4)?.try_into().ok()?;
    let port: [u8; 2] = block.get(..12)?.get(8..10)?.try_into().ok()?;
    Some(SocketAddr::new(Ipv4Addr::from(source).into(), u16::from_be_bytes(port)))
}

fn ipv6(block: &[u8]) -> Option<SocketAddr> {
    let source: [u8; 16] = block.get(..16)?.try_into().ok()?;
    let port: [u8; 2] = block.get(..36)?.get(32..34)?.try_into().ok()?;
    Some(SocketAddr::new(Ipv6Addr::from(source).into(), u16::from_be_bytes(port)))
}

const TEXT: &[u8] = b"PROXY ";
/// The longest line there can be, its end included (section 2.1).
const LONGEST_TEXT: usize = 107;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What every header of version 2 has.
const FIXED: usize = 16;
/// Addresses and further values: more than any load balancer sends, and little enough to hold.
const LONGEST_BINARY: usize = 4096;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
const UNIX_DATAGRAM: u8 = 0x32;

#[cfg(test)]
mod tests;
