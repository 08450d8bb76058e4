//! Which headers a message has that a proxy must do something about, found in one pass over their
//! names. Most messages have none, and looking for each by its name would cost more than all else
//! that is done to a head. Pure.

use http::{HeaderMap, HeaderName};

/// Kinds of headers that a message has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Marks(u16);

impl Marks {
    /// `connection`.
    pub(super) const CONNECTION: Self = Self(1);
    /// `te`, which belongs to one hop unless it says `trailers` and nothing else.
    pub(super) const TE: Self = Self(2);
    /// Only this mesh's proxies may say them.
    pub(super) const CLAIM: Self = Self(4);
    /// `transfer-encoding`.
    pub(super) const CODING: Self = Self(8);
    /// `content-length`.
    pub(super) const LENGTH: Self = Self(16);
    /// `host`.
    pub(super) const HOST: Self = Self(32);
    /// `content-type`.
    pub(super) const TYPE: Self = Self(64);
    /// `trailer`, which announces what may not be passed on.
    pub(super) const TRAILER: Self = Self(128);
    /// Others that belong to one hop.
    pub(super) const HOP: Self = Self(256);
    /// Any of those that are the proxy's business.
    pub(super) const ANY: Self = Self(511 & !Self::TYPE.0);

    /// The kinds in `headers`.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        headers.keys().fold(Self(0), |marks, name| Self(marks.0 | mark(name).0))
    }

    /// Whether `kind` is among them.
    pub(super) const fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }
}

/// By length first: that is enough for almost all.
fn mark(name: &HeaderName) -> Marks {
    let name = name.as_str();
    let is_hop = match name.len() {
        2 if name == "te" => return Marks::TE,
        4 if name == "host" => return Marks::HOST,
        7 if name == "trailer" => return Marks::TRAILER,
        7 => name == "upgrade",
        10 if name == "connection" => return Marks::CONNECTION,
        10 => name == "keep-alive",
        12 if name == "content-type" => return Marks::TYPE,
        14 if name == "content-length" => return Marks::LENGTH,
        14 => name == "http2-settings",
        16 => name == "proxy-connection",
        17 if name == "transfer-encoding" => return Marks::CODING,
        17 if name == "x-serin-elsewhere" => return Marks::CLAIM,
        21 if name == "x-serin-not-processed" => return Marks::CLAIM,
        22 if name == "x-serin-client-version" => return Marks::CLAIM,
        23 if name == "x-forwarded-client-cert" => return Marks::CLAIM,
        _ => false,
    };
    if is_hop { Marks::HOP } else { Marks(0) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;
    use crate::http::{
        framing::NEVER_IN_TRAILERS,
        head::{CLAIMS, HOP_BY_HOP},
    };

    fn has(name: &HeaderName, kind: Marks) -> bool {
        let headers = [(name.clone(), HeaderValue::from_static("x"))];
        Marks::of(&headers.into_iter().collect()).has(kind)
    }

    #[test]
    fn whatever_is_taken_out_of_a_head_is_marked() {
        assert!(HOP_BY_HOP.iter().all(|name| has(name, Marks::HOP)));
        assert!(CLAIMS.iter().all(|name| has(name, Marks::CLAIM)));
        assert!(has(&header::CONNECTION, Marks::CONNECTION));
        assert!(has(&header::TE, Marks::TE) && has(&header::TRAILER, Marks::TRAILER));
        assert!(has(&header::TRANSFER_ENCODING, Marks::CODING));
        assert!(has(&header::CONTENT_LENGTH, Marks::LENGTH));
        assert!(has(&header::CONTENT_TYPE, Marks::TYPE));
        assert!(NEVER_IN_TRAILERS.iter().all(|name| has(name, Marks::ANY)));
    }

    #[test]
    fn what_is_passed_on_is_not_marked() {
        let names = ["grpc-status", "accept", "user-agent", "content-type", "content-range"];
        assert!(names.into_iter().all(|name| !has(&HeaderName::from_static(name), Marks::ANY)));
    }
}
