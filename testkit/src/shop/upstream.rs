//! Where another service of the shop is, and what becomes of a failure to use it.

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    caller::Caller,
    identity,
    reply::{self, Body},
};

/// The answer of a service that needed another one in vain. Its status is 502.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Broken {
    /// Who failed.
    pub failed: String,
    /// How.
    pub why: String,
    /// The versions of all who had a part in it; they travel as headers.
    #[serde(skip)]
    versions: Box<HeaderMap>,
}

impl Broken {
    pub(super) fn new(service: &str, why: String, answer: &HeaderMap) -> Self {
        let mut versions = Box::<HeaderMap>::default();
        identity::relay_versions(answer, &mut versions);
        Self { failed: service.to_owned(), why, versions }
    }

    pub(super) fn answer(&self) -> Response<Body> {
        super::relay(StatusCode::BAD_GATEWAY, self, &self.versions)
    }
}

/// Another service.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    pub(super) service: &'static str,
    pub(super) base: Uri,
}

impl Upstream {
    /// Calls `path` there and adds the versions that had a part in its answer to `versions`.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        (method, path): (Method, &'static str),
        incoming: &HeaderMap,
        versions: &mut HeaderMap,
    ) -> Result<T, Broken> {
        let broken = |why, versions: &HeaderMap| Broken::new(self.service, why, versions);
        let uri = join(&self.base, path).map_err(|error| broken(error.to_string(), versions))?;
        let called = caller.call(method, uri, incoming).await;
        let answer = called.map_err(|error| broken(reply::chain(&*error), versions))?;
        identity::relay_versions(answer.headers(), versions);
        read(&answer).map_err(|why| broken(why, versions))
    }
}

fn read<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, String> {
    if !answer.status().is_success() {
        return Err(answer.status().to_string());
    }
    serde_json::from_slice(answer.body()).map_err(|error| error.to_string())
}

fn join(base: &Uri, path: &'static str) -> Result<Uri, http::Error> {
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static(path));
    Ok(Uri::from_parts(parts)?)
}
