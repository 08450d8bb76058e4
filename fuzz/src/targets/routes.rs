//! Whether a route matches a request: what is matched is compared with a simpler telling of the
//! Gateway API's rules.

use http::{HeaderMap, HeaderValue, Method, Uri};
use model::route::{HeaderMatch, PathMatch, QueryMatch, RequestMatch};

use super::{Target, committed};
use crate::engine::behaviour;

pub(crate) const TARGET: Target = Target {
    name: "routes",
    corpus: || committed("routes"),
    words: &["/", "//", "?", "&", "=", "%2f", "\n", "GET", "a", "x-a", "..", "#", ";", "+", "~"],
    run,
};

/// Lines: the match's path, method, header and parameter, then the request's target, method and
/// headers.
fn run(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (path, exact) =
        line().split_once('!').map_or_else(|| (line(), false), |(path, _)| (path, true));
    let (method, header, query) = (line(), line(), line());
    let (target, asked) = (line(), line());
    let Ok(uri) = target.parse::<Uri>() else { return 0 };
    let Ok(asked) = Method::from_bytes(asked.as_bytes()) else { return 1 };
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers: HeaderMap = headers
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
        .collect();
    let wanted = RequestMatch {
        path: if exact { PathMatch::Exact(path.into()) } else { PathMatch::prefix(path) },
        method: (!method.is_empty()).then(|| method.into()),
        headers: pair(header)
            .filter(|(name, _)| name.parse::<http::HeaderName>().is_ok())
            .map(|(name, value)| HeaderMatch {
                name: name.to_ascii_lowercase().into(),
                value: value.into(),
            })
            .collect(),
        query: pair(query)
            .map(|(name, value)| QueryMatch { name: name.into(), value: value.into() })
            .collect(),
    };
    let matches = wanted.matches(&asked, &uri, &headers);
    let path_matches = if exact { uri.path() == path } else { is_prefix(path, uri.path()) };
    assert_eq!(wanted.path.matches(uri.path()), path_matches, "{path:?} {:?}", uri.path());
    let expected = path_matches
        && (method.is_empty() || method == asked.as_str())
        && wanted.headers.iter().all(|wanted| has_header(&headers, wanted))
        && wanted.query.iter().all(|wanted| has_parameter(uri.query(), wanted));
    assert_eq!(matches, expected, "{wanted:?} {asked} {uri} {headers:?}");
    behaviour((
        matches,
        path_matches,
        exact,
        wanted.headers.len(),
        wanted.query.len(),
        headers.len().min(4),
    ))
}

fn pair(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split_once('=').into_iter()
}

/// Values of one name are one list, with or without spaces (RFC 9110, section 5.3).
fn has_header(headers: &HeaderMap, wanted: &HeaderMatch) -> bool {
    let values: Vec<_> = headers.get_all(&*wanted.name).iter().map(HeaderValue::as_bytes).collect();
    let is_wanted = |separator: &[u8]| values.join(separator) == wanted.value.as_bytes();
    !values.is_empty() && (is_wanted(b",") || is_wanted(b", "))
}

/// The first parameter of a name counts, as it is written (HTTPQueryParamMatch).
fn has_parameter(query: Option<&str>, wanted: &QueryMatch) -> bool {
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        let at = pair.find('=').unwrap_or(pair.len());
        if pair.get(..at) == Some(&*wanted.name) {
            return pair.get(at + 1..).unwrap_or_default() == &*wanted.value;
        }
    }
    false
}

/// A prefix matches whole elements of a path (HTTPPathMatch, PathPrefix).
fn is_prefix(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    if prefix.is_empty() {
        // All paths, CONNECT's empty one included; the asterisk of OPTIONS is none (RFC 9112,
        // section 3.2.4).
        return path.is_empty() || path.starts_with('/');
    }
    let wanted: Vec<_> = prefix.split('/').collect();
    let elements: Vec<_> = path.split('/').collect();
    elements.get(..wanted.len()) == Some(&wanted[..])
}
