//! Whom a request is for: it may say so twice, in its target and in a header, but must not say two
//! different things. Whoever reads the other one would answer for somebody else. Pure.

use http::{HeaderMap, Method, Uri, Version, header, uri::Authority};

/// Whether a request says once, or twice alike, whom it is for. Only HTTP/1.1 must say so at all
/// (RFC 9112, section 3.2; RFC 9113, section 8.3.1).
#[must_use]
pub fn is_one(version: Version, method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version != Version::HTTP_11 && uri.authority().is_none_or(is_plain),
        // A target without a host (RFC 9112, section 3.2).
        (Some(host), None) if host.is_empty() => uri.authority().is_none_or(is_plain),
        (Some(host), None) if uri.authority().is_none() && is_simple(host.as_bytes()) => true,
        (Some(host), None) => Authority::try_from(host.as_bytes()).is_ok_and(|host| {
            is_plain(&host)
                && uri.authority().is_none_or(|target| are_one(method, uri, target, &host))
        }),
        (Some(_), Some(_)) => false,
    }
}

/// Whether a host is of the kind that nearly all are of, a name with at most a port (RFC 3986,
/// section 3.2.2), which needs no parsing.
fn is_simple(host: &[u8]) -> bool {
    let mut parts = host.splitn(2, |byte| *byte == b':');
    let is_name = |name: &[u8]| {
        !name.is_empty()
            && name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
    };
    // Longer ports are left to the parser, which knows the largest.
    let is_port =
        |port: &[u8]| (1..=4).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    parts.next().is_some_and(is_name) && parts.next().is_none_or(is_port)
}

/// Whether nobody's name stands before the host (RFC 9110, section 4.2.4).
fn is_plain(authority: &Authority) -> bool {
    !authority.as_str().contains('@')
}

fn are_one(method: &Method, uri: &Uri, target: &Authority, host: &Authority) -> bool {
    let is_https = uri.scheme_str() == Some("https");
    let port =
        |authority: &Authority| authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    // Of a tunnel only the target must name the port (RFC 9110, section 9.3.6).
    let same_port =
        port(target) == port(host) || (*method == Method::CONNECT && host.port().is_none());
    is_plain(target) && target.host().eq_ignore_ascii_case(host.host()) && same_port
}

#[cfg(test)]
mod tests;
