//! Which messages can be passed on with one framing, and what must not stand in their trailers.
//! Pure.
//!
//! hyper has found where a message ends before we see its head. What it took for granted on the way
//! is looked at here, so that the next reader is never told anything else.

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version, header};

use super::{CLIENT_CERTIFICATE, CLIENT_VERSION, ELSEWHERE, NOT_PROCESSED, marks::Marks};

/// Whether a message's body is as it was meant: without a transfer coding, or with the only one
/// that we take off (RFC 9112, section 6.1: others are answered with an error). The name of any
/// other would be removed as a matter of one hop, and the coding itself would stay.
fn has_known_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(only), None) => only.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Whether a request can be passed on: its body is as it was meant, and one reader's length is the
/// other's.
#[must_use]
pub fn is_clear_request(headers: &mut HeaderMap, marks: Marks) -> bool {
    is_framed_once(headers, marks)
}

/// Whether a server's response can be passed on: its body is as it was meant, and it does not
/// switch to another protocol without having been asked to.
#[must_use]
pub fn is_clear_response(
    status: StatusCode,
    headers: &mut HeaderMap,
    marks: Marks,
    upgrade_asked: bool,
) -> bool {
    is_framed_once(headers, marks) && (upgrade_asked || status != StatusCode::SWITCHING_PROTOCOLS)
}

fn is_framed_once(headers: &mut HeaderMap, marks: Marks) -> bool {
    if marks.has(Marks::CODING) {
        // A length beside a coding is a lie told to one of two readers (RFC 9112, section 6.1).
        headers.remove(header::CONTENT_LENGTH);
        return has_known_coding(headers);
    }
    !marks.has(Marks::LENGTH) || has_one_length(headers)
}

/// Whether a message has one length at most, which is written once from then on (RFC 9112, section
/// 6.3: a list of equal ones is one).
fn has_one_length(headers: &mut HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return true };
    let is_number = |length: &[u8]| !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    if lengths.next().is_none() && is_number(first.as_bytes()) {
        return true;
    }
    let values = headers.get_all(header::CONTENT_LENGTH).iter();
    let mut all = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let Some(length) = all.next().map(|length| length.trim_ascii().to_vec()) else { return true };
    let is_one = is_number(&length) && all.all(|other| other.trim_ascii() == length);
    match HeaderValue::try_from(length) {
        Ok(length) if is_one => headers.insert(header::CONTENT_LENGTH, length).is_some(),
        Ok(_) | Err(_) => false,
    }
}

/// Says that a request has a body whose length nobody knows, which hyper believes of GET, HEAD and
/// CONNECT only when told.
pub fn announce_body<B>(request: &mut Request<B>, has_body: bool) {
    let can_be_chunked = request.version() == Version::HTTP_11;
    let headers = request.headers_mut();
    if has_body && can_be_chunked && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Removes what trailers must not say, since whoever merges them into the head would believe it
/// (RFC 9110, section 6.5.1): how the message is framed, who is asked, and who asks.
pub fn strip_trailers(trailers: &mut HeaderMap) {
    if Marks::of(trailers).has(Marks::ANY) {
        NEVER_IN_TRAILERS.iter().for_each(|name| drop(trailers.remove(name)));
    }
}

/// Announces no trailers that are not going to come.
pub fn strip_announcements(headers: &mut HeaderMap) {
    if !headers.contains_key(header::TRAILER) {
        return;
    }
    let values = headers.get_all(header::TRAILER).iter();
    let names = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let names = names.filter_map(|name| name.trim().parse::<HeaderName>().ok());
    let left: Vec<_> = names.filter(|name| !NEVER_IN_TRAILERS.contains(name)).collect();
    headers.remove(header::TRAILER);
    for name in left {
        headers.append(header::TRAILER, HeaderValue::from(name));
    }
}

pub(super) const NEVER_IN_TRAILERS: [HeaderName; 14] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    CLIENT_CERTIFICATE,
    CLIENT_VERSION,
    NOT_PROCESSED,
    ELSEWHERE,
];

#[cfg(test)]
mod tests;
