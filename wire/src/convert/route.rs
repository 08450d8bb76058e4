//! Routes and what requests must be to take them.

use std::sync::Arc;

use model::{
    route::{HeaderMatch, PathMatch, QueryMatch, RequestMatch, Route, WeightedBackend},
    service::ServiceId,
};
use proto::request_match::Path;

use super::address::text;
use crate::{
    invalid::{At, Invalid, each, required},
    limit, proto,
};

impl From<&Route> for proto::Route {
    fn from(Route { name, matches, backends }: &Route) -> Self {
        Self {
            name: text(name),
            r#match: Some(matches.into()),
            backends: backends.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<proto::Route> for Route {
    type Error = Invalid;

    fn try_from(proto::Route { name, r#match, backends }: proto::Route) -> Result<Self, Invalid> {
        Ok(Self {
            name: limit::text(name, limit::QUALIFIED_NAME).at("name")?,
            matches: required(r#match).and_then(RequestMatch::try_from).at("match")?,
            backends: each(backends, WeightedBackend::try_from).at("backends")?,
        })
    }
}

impl From<&WeightedBackend> for proto::WeightedBackend {
    fn from(WeightedBackend { service, weight }: &WeightedBackend) -> Self {
        Self { service: service.as_ref().map(Into::into), weight: *weight }
    }
}

impl TryFrom<proto::WeightedBackend> for WeightedBackend {
    type Error = Invalid;

    fn try_from(backend: proto::WeightedBackend) -> Result<Self, Invalid> {
        let proto::WeightedBackend { service, weight } = backend;
        Ok(Self { service: service.map(ServiceId::try_from).transpose().at("service")?, weight })
    }
}

impl From<&RequestMatch> for proto::RequestMatch {
    fn from(RequestMatch { path, method, headers, query }: &RequestMatch) -> Self {
        let pair = |name: &Arc<str>, value: &Arc<str>| proto::NameValue {
            name: text(name),
            value: text(value),
        };
        Self {
            path: Some(match path {
                PathMatch::Exact(path) => Path::Exact(text(path)),
                PathMatch::Prefix(path) => Path::Prefix(text(path)),
            }),
            method: method.as_ref().map(text).unwrap_or_default(),
            headers: headers.iter().map(|header| pair(&header.name, &header.value)).collect(),
            query: query.iter().map(|query| pair(&query.name, &query.value)).collect(),
        }
    }
}

impl TryFrom<proto::RequestMatch> for RequestMatch {
    type Error = Invalid;

    fn try_from(wanted: proto::RequestMatch) -> Result<Self, Invalid> {
        let proto::RequestMatch { path, method, headers, query } = wanted;
        let header = |pair| decode_pair(pair).map(|(name, value)| HeaderMatch { name, value });
        let parameter = |pair| decode_pair(pair).map(|(name, value)| QueryMatch { name, value });
        Ok(Self {
            path: decode_path(required(path).at("path")?)?,
            method: decode_method(method).at("method")?,
            headers: each(headers, header).at("headers")?,
            query: each(query, parameter).at("query")?,
        })
    }
}

fn decode_path(path: Path) -> Result<PathMatch, Invalid> {
    Ok(match path {
        Path::Exact(path) => PathMatch::Exact(limit::text(path, limit::MATCH).at("exact")?),
        Path::Prefix(path) => PathMatch::Prefix(limit::text(path, limit::MATCH).at("prefix")?),
    })
}

fn decode_method(method: String) -> Result<Option<Arc<str>>, Invalid> {
    if method.is_empty() { Ok(None) } else { limit::name(method).map(Some) }
}

fn decode_pair(
    proto::NameValue { name, value }: proto::NameValue,
) -> Result<(Arc<str>, Arc<str>), Invalid> {
    Ok((limit::text(name, limit::MATCH).at("name")?, limit::text(value, limit::MATCH).at("value")?))
}
