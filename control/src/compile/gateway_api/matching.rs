//! A route's matches, as far as they can be carried out.

use std::collections::BTreeSet;

use api::gateway::{HttpRouteMatch, PathMatch as WantedPath, ValueMatch};
use model::route::{HeaderMatch, PathMatch, QueryMatch, RequestMatch};

/// What `wanted` asks of a request.
///
/// # Errors
/// The field that cannot be carried out. Leaving it out would match requests that were not meant.
pub(super) fn request_match(wanted: &HttpRouteMatch) -> Result<RequestMatch, String> {
    if let Some(field) = wanted.unknown.keys().next() {
        return Err(field.clone());
    }
    let headers = values("headers", &wanted.headers, |name| name.to_ascii_lowercase())?;
    let query = values("queryParams", &wanted.query_params, str::to_owned)?;
    let header =
        |(name, value): (String, String)| HeaderMatch { name: name.into(), value: value.into() };
    let parameter =
        |(name, value): (String, String)| QueryMatch { name: name.into(), value: value.into() };
    Ok(RequestMatch {
        path: wanted.path.as_ref().map_or_else(|| Ok(PathMatch::default()), path)?,
        method: wanted.method.as_deref().map(Into::into),
        headers: headers.into_iter().map(header).collect(),
        query: query.into_iter().map(parameter).collect(),
    })
}

fn path(wanted: &WantedPath) -> Result<PathMatch, String> {
    let value = wanted.value.as_deref().unwrap_or("/");
    match wanted.kind.as_deref().unwrap_or("PathPrefix") {
        "PathPrefix" => Ok(PathMatch::prefix(value)),
        "Exact" => Ok(PathMatch::Exact(value.into())),
        other => Err(format!("path of type {other}")),
    }
}

/// Of several entries with one name only the first counts (HTTPRouteMatch.headers, .queryParams).
fn values(
    field: &str,
    wanted: &[ValueMatch],
    canonical: fn(&str) -> String,
) -> Result<Vec<(String, String)>, String> {
    let mut seen = BTreeSet::new();
    let mut values = Vec::new();
    for value in wanted {
        match value.kind.as_deref().unwrap_or("Exact") {
            "Exact" => {}
            other => return Err(format!("{field} of type {other}")),
        }
        let name = canonical(&value.name);
        if seen.insert(name.clone()) {
            values.push((name, value.value.clone()));
        }
    }
    Ok(values)
}
