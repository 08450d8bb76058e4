//! Routes: which requests go to which backends.
//!
//! Routes arrive in order of precedence (the compiler in the control plane sorts them as the
//! Gateway API says: HTTPRouteRule, "Proxy or Load Balancer routing configuration generated from
//! HTTPRoutes MUST prioritize matches"), so that finding one is a walk that stops at the first
//! match.

use std::sync::Arc;

use crate::{service::ServiceId, weight::Weight};

/// A rule of a route, with one of its matches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// `<namespace>/<route>` of the object it comes from, for logs and `/config`.
    pub name: Arc<str>,
    /// What a request must be to go this way.
    pub matches: RequestMatch,
    /// Where it goes; empty, or of weight zero throughout, is a 500 (Gateway API,
    /// HTTPRouteRule.backendRefs).
    pub backends: Vec<WeightedBackend>,
}

/// A backend and its part of a route's requests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WeightedBackend {
    /// Where to; nothing is a reference that does not resolve: its part is answered with 500.
    pub service: Option<ServiceId>,
    /// Its part, in proportion to the sum of all backends' weights.
    pub weight: u32,
}

/// What a request must be. All that is given must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequestMatch {
    /// What the path must be.
    pub path: PathMatch,
    /// The method, upper case.
    pub method: Option<Arc<str>>,
    /// Headers that must be there.
    pub headers: Vec<HeaderMatch>,
    /// Query parameters that must be there.
    pub query: Vec<QueryMatch>,
}

/// What a path must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PathMatch {
    /// The whole path, byte by byte.
    Exact(Arc<str>),
    /// Whole elements of the path: `/a` matches `/a`, `/a/` and `/a/b`, and not `/ab`. Kept without
    /// a trailing slash; empty matches every path.
    Prefix(Arc<str>),
}

/// A header that must have a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderMatch {
    /// Lower case.
    pub name: Arc<str>,
    /// The whole value.
    pub value: Arc<str>,
}

/// A query parameter that must have a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueryMatch {
    /// As written.
    pub name: Arc<str>,
    /// The whole value; the first of several counts.
    pub value: Arc<str>,
}

impl Default for PathMatch {
    fn default() -> Self {
        Self::Prefix("".into())
    }
}

impl RequestMatch {
    /// Whether a request with this head matches.
    #[must_use]
    pub fn matches(
        &self,
        method: &http::Method,
        uri: &http::Uri,
        headers: &http::HeaderMap,
    ) -> bool {
        self.path.matches(uri.path())
            && self.method.as_deref().is_none_or(|wanted| wanted == method.as_str())
            && self.headers.iter().all(|wanted| wanted.matches(headers))
            && (self.query.is_empty() || self.query.iter().all(|wanted| wanted.matches(uri)))
    }
}

impl PathMatch {
    /// The prefix match that `text` of a route means.
    #[must_use]
    pub fn prefix(text: &str) -> Self {
        Self::Prefix(text.trim_end_matches('/').into())
    }

    /// Whether a path matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(wanted) => **wanted == *path,
            Self::Prefix(wanted) => path
                .strip_prefix(&**wanted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }
}

impl HeaderMatch {
    fn matches(&self, headers: &http::HeaderMap) -> bool {
        // A head has few names, and most are of another length: looking at each costs less than
        // hashing this one.
        let is_wanted = |name: &http::HeaderName| name.as_str() == &*self.name;
        let named = headers.iter().filter(|(name, _)| is_wanted(name));
        let mut values = named.map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(only), None) => only.as_bytes() == self.value.as_bytes(),
            (Some(first), Some(second)) => self.matches_joined(first, second, values),
            (None, _) => false,
        }
    }

    /// A repeated header is one list (RFC 9110, section 5.3).
    fn matches_joined<'a>(
        &self,
        first: &'a http::HeaderValue,
        second: &'a http::HeaderValue,
        rest: impl Iterator<Item = &'a http::HeaderValue>,
    ) -> bool {
        let all: Vec<&[u8]> =
            [first, second].into_iter().chain(rest).map(http::HeaderValue::as_bytes).collect();
        let joined = |separator: &[u8]| all.join(separator);
        joined(b",") == self.value.as_bytes() || joined(b", ") == self.value.as_bytes()
    }
}

impl QueryMatch {
    fn matches(&self, uri: &http::Uri) -> bool {
        uri.query()
            .into_iter()
            .flat_map(|query| query.split('&'))
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(name, _)| *name == &*self.name)
            .is_some_and(|(_, value)| value == &*self.value)
    }
}

/// The backend that `point` falls on, where `point` is drawn evenly from `0..sum of weights`.
///
/// Nothing if there is no backend, or all weights are zero.
#[must_use]
pub fn pick(backends: &[WeightedBackend], point: u64) -> Option<&WeightedBackend> {
    let mut left = point;
    for backend in backends {
        let weight = u64::from(backend.weight);
        if left < weight {
            return Some(backend);
        }
        left -= weight;
    }
    None
}

/// The sum of all weights: what a point is drawn from.
#[must_use]
pub fn total_weight(backends: &[WeightedBackend]) -> u64 {
    backends.iter().map(|backend| u64::from(backend.weight)).sum()
}

/// Whether a point drawn evenly from `0..10_000` falls on the canary.
#[must_use]
pub fn falls_on_canary(weight: Weight, point: u16) -> bool {
    point < weight.basis_points()
}

#[cfg(test)]
mod tests;
