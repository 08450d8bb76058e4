//! The answer of `/`: the request as it arrived, so that a test can see what a mesh did to it.

use std::collections::BTreeMap;

use http::{HeaderMap, Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::{
    identity::Identity,
    reply::{self, Body},
    serve::Call,
};

/// A request in the eyes of the server.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Described {
    /// Who answered.
    pub service: String,
    /// In which version.
    pub version: String,
    /// In which pod.
    pub pod: String,
    /// The method of the request.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// `HTTP/1.1` or `HTTP/2.0`, as it arrived here.
    pub protocol: String,
    /// The other end of the connection.
    pub peer: String,
    /// Every header with every value, in the order of arrival.
    pub headers: BTreeMap<String, Vec<String>>,
}

impl Described {
    /// The only or first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|values| values.first()).map(String::as_str)
    }
}

pub(super) fn describe(identity: &Identity, call: &Call) -> Response<Body> {
    let request = &call.request;
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let described = Described {
        service: identity.name.clone(),
        version: identity.version.clone(),
        pod: identity.pod.clone(),
        method: request.method().to_string(),
        path: path.to_owned(),
        protocol: format!("{:?}", request.version()),
        peer: call.peer.to_string(),
        headers: headers(request.headers()),
    };
    reply::json(StatusCode::OK, &described)
}

fn headers(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(name.to_string()).or_default().push(value);
    }
    all
}
