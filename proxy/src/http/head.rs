//! Heads of requests and responses, as they go from one hop to the next. Pure.

use std::net::SocketAddr;

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::upgrade::OnUpgrade;

use super::{
    CLIENT_CERTIFICATE, CLIENT_VERSION, ELSEWHERE, NOT_PROCESSED, framing, host, marks::Marks,
};

/// A request's head, without what belonged to the hop it came by.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// As the client wrote it.
    pub uri: Uri,
    /// What the client spoke.
    pub version: Version,
    /// Without hop-by-hop headers.
    pub headers: HeaderMap,
    /// `:protocol` of an extended CONNECT (RFC 8441).
    pub protocol: Option<Box<hyper::ext::Protocol>>,
    /// How the names of headers were written, if that is kept. hyper writes them likewise, and
    /// shows them to nobody.
    case: Extensions,
    /// Whether the next reader will understand it as we do.
    is_clear: bool,
    /// What it had when it came.
    marks: Marks,
}

/// Who sends a request to whom, which decides how its head is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hop {
    /// To another proxy, over HTTP/2.
    Mesh,
    /// To another proxy, over HTTP/1, which keeps names of headers as they were written.
    MeshHttp1,
    /// To a server, over HTTP/1.
    Http1,
    /// To a server, over HTTP/2.
    Http2,
}

impl Head {
    /// Takes over a request's head.
    #[must_use]
    pub fn from_parts(parts: Parts) -> Self {
        let Parts { method, uri, version, mut headers, mut extensions, .. } = parts;
        let marks = Marks::of(&headers);
        let is_clear = framing::is_clear_request(&mut headers, marks)
            && host::is_one(version, &method, &uri, &headers);
        strip_hop(&mut headers, marks);
        // Boxed, because it is rare.
        let protocol = extensions.remove::<hyper::ext::Protocol>().map(Box::new);
        // What is left of an upgrade is for this hop.
        drop(extensions.remove::<OnUpgrade>());
        let case = if version == Version::HTTP_2 { Extensions::new() } else { extensions };
        Self { method, uri, version, headers, protocol, case, is_clear, marks }
    }

    /// The head of a request that came from another proxy, as the client's application wrote it.
    pub fn restore_version(&mut self) {
        if let Some(version) = self.headers.remove(CLIENT_VERSION) {
            self.version = match version.as_bytes() {
                b"2" => Version::HTTP_2,
                b"1.0" => Version::HTTP_10,
                _ => Version::HTTP_11,
            };
        }
    }

    /// Whether names of headers are to arrive as they were written.
    #[must_use]
    pub fn keeps_case(&self) -> bool {
        !self.case.is_empty()
    }

    /// Removes what only this mesh's proxies may say.
    pub fn strip_claims(&mut self) {
        strip_claims(&mut self.headers, self.marks);
    }

    /// How long the body says that it is.
    #[must_use]
    pub fn length(&self) -> Option<usize> {
        self.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The host the client asked for; nothing if it named none.
    #[must_use]
    pub fn authority(&self) -> Option<Authority> {
        if let Some(authority) = self.uri.authority() {
            return Some(authority.clone());
        }
        Authority::try_from(self.headers.get(header::HOST)?.as_bytes()).ok()
    }

    /// Whether it may be passed on: two hosts are one for us and another for the next reader
    /// (RFC 9112, section 3.2), as are no host and codings that we do not take off.
    #[must_use]
    pub const fn is_well_formed(&self) -> bool {
        self.is_clear
    }

    /// Whether sending it twice means the same as sending it once (RFC 9110, section 9.2.2).
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.method.is_safe() || matches!(self.method, Method::PUT | Method::DELETE)
    }

    /// Whether it is gRPC.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.marks.has(Marks::TYPE) && is_grpc(&self.headers)
    }

    /// The request as it is written on `hop`, to whoever is at `address` if the client did not say
    /// whom it asks.
    #[must_use]
    pub fn request<B>(&self, hop: Hop, address: SocketAddr, body: B) -> Request<B> {
        let mut request = Request::new(body);
        request.method_mut().clone_from(&self.method);
        request.headers_mut().clone_from(&self.headers);
        request.extensions_mut().clone_from(&self.case);
        match hop {
            Hop::Mesh => {
                *request.version_mut() = Version::HTTP_2;
                *request.uri_mut() = self.absolute(address);
                request.headers_mut().insert(CLIENT_VERSION, version_text(self.version));
            }
            Hop::Http2 => {
                *request.version_mut() = Version::HTTP_2;
                *request.uri_mut() = self.absolute(address);
                request.headers_mut().remove(header::HOST);
            }
            Hop::MeshHttp1 => {
                self.write_http1(&mut request, Version::HTTP_11, address);
                request.headers_mut().insert(CLIENT_VERSION, version_text(self.version));
            }
            Hop::Http1 => self.write_http1(&mut request, self.http1_version(), address),
        }
        if let Some(protocol) = &self.protocol {
            request.extensions_mut().insert(h2::ext::Protocol::from(protocol.as_str()));
        }
        request
    }

    fn write_http1<B>(&self, request: &mut Request<B>, version: Version, address: SocketAddr) {
        *request.version_mut() = version;
        *request.uri_mut() = self.origin_form();
        self.put_host(request.headers_mut(), version, address);
    }

    fn http1_version(&self) -> Version {
        if self.version == Version::HTTP_10 { Version::HTTP_10 } else { Version::HTTP_11 }
    }

    fn absolute(&self, address: SocketAddr) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.authority = Some(self.authority().unwrap_or_else(|| named(address)));
        if self.method != Method::CONNECT || self.protocol.is_some() {
            parts.scheme = Some(self.uri.scheme().cloned().unwrap_or(Scheme::HTTP));
            parts.path_and_query = Some(self.path_and_query());
        }
        Uri::from_parts(parts).unwrap_or_default()
    }

    fn origin_form(&self) -> Uri {
        if self.method == Method::CONNECT {
            return self.uri.clone();
        }
        Uri::from(self.path_and_query())
    }

    fn path_and_query(&self) -> PathAndQuery {
        self.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
    }

    /// HTTP/1 names the host in a header, and HTTP/1.1 always does (RFC 9112, section 3.2); a
    /// client of HTTP/2 need not have written one.
    fn put_host(&self, headers: &mut HeaderMap, version: Version, address: SocketAddr) {
        let needed = || (version == Version::HTTP_11).then(|| named(address));
        if !headers.contains_key(header::HOST)
            && let Some(authority) = self.uri.authority().cloned().or_else(needed)
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            headers.insert(header::HOST, host);
        }
    }
}

/// An address as one who is asked. It always is an authority; the other one is never used.
fn named(address: SocketAddr) -> Authority {
    Authority::try_from(address.to_string())
        .unwrap_or_else(|_never| Authority::from_static("localhost"))
}

/// Removes what only this mesh's proxies may say.
pub fn strip_claims(headers: &mut HeaderMap, marks: Marks) {
    if marks.has(Marks::CLAIM) {
        CLAIMS.iter().for_each(|name| drop(headers.remove(name)));
    }
}

/// Whether a message with these headers is gRPC's.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = content_type.and_then(|value| value.strip_prefix(b"application/grpc"));
    // `application/grpc-web` is another protocol, with its trailers in the body.
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Removes what belongs to one hop (RFC 9110, section 7.6.1), except `te: trailers`, which gRPC
/// needs to arrive, and announcements of trailers that are not passed on.
pub fn strip_hop(headers: &mut HeaderMap, marks: Marks) {
    if marks.has(Marks::TRAILER) {
        framing::strip_announcements(headers);
    }
    if marks.has(Marks::CONNECTION) {
        strip_connection(headers);
    }
    if marks.has(Marks::CODING) {
        headers.remove(header::TRANSFER_ENCODING);
    }
    if marks.has(Marks::HOP) {
        HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
    }
    if marks.has(Marks::TE) {
        strip_te(headers);
    }
}

fn strip_te(headers: &mut HeaderMap) {
    if headers.get(header::TE).is_some_and(|te| te != TRAILERS) {
        let wants_trailers = wants_trailers(headers);
        headers.remove(header::TE);
        if wants_trailers {
            headers.insert(header::TE, TRAILERS);
        }
    }
}

/// Removes `connection` and what it names. Most that say it at all say only that the connection is
/// kept, and a header of that name goes in any case.
fn strip_connection(headers: &mut HeaderMap) {
    let mut values = headers.get_all(header::CONNECTION).iter();
    let is_kept = values.next().is_some_and(|value| value == "keep-alive");
    if !is_kept || values.next().is_some() {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
    }
    headers.remove(header::CONNECTION);
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    // A name beside what is none is a name all the same.
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    // `Connection: te` says that TE is for this hop, and TE is looked at on its own. The host is
    // for everybody, whatever a client says: without it, nobody is asked.
    names.filter(|name| name != header::TE && name != header::HOST).collect()
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TE).iter();
    let mut codings =
        values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    codings.any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

fn version_text(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    })
}

const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

pub(super) const CLAIMS: [HeaderName; 4] =
    [CLIENT_CERTIFICATE, CLIENT_VERSION, NOT_PROCESSED, ELSEWHERE];

/// Besides those that are looked at on their own.
pub(super) const HOP_BY_HOP: [HeaderName; 4] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

#[cfg(test)]
mod tests;
