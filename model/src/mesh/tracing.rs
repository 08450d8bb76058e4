//! Where the spans of requests go, and of how many requests there are any.

use std::{fmt, sync::Arc};

use http::Uri;

use crate::weight::Weight;

/// Tracing, checked: it can be done as it is said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tracing {
    endpoint: Arc<str>,
    protocol: Otlp,
    /// The share of traces that begin in the mesh and are recorded. Those that began elsewhere are
    /// recorded if whoever began them said so.
    pub sampling: Weight,
}

/// What a collector is spoken to in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Otlp {
    /// OTLP/gRPC.
    #[default]
    Grpc,
    /// OTLP/HTTP, with bodies of protobuf.
    Http,
}

/// Why spans cannot be sent to an endpoint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidCollector {
    /// No URL with a host and a scheme.
    #[error("{0:?} is not a URL such as http://collector.observability:4317")]
    NotAUrl(String),
    /// Another scheme than `http`.
    #[error(
        "{0:?} is not http: collectors are spoken to without TLS, so put one into the mesh's own cluster"
    )]
    Scheme(String),
    /// The port must be said: the two protocols have different ones.
    #[error("{0:?} names no port: most collectors take OTLP/gRPC at 4317 and OTLP/HTTP at 4318")]
    NoPort(String),
    /// gRPC's path is the method's name.
    #[error("{0:?} has a path, which OTLP/gRPC has no use for")]
    Path(String),
    /// A user, a query or a fragment.
    #[error("{0:?} has a user, a query or a fragment, which no collector is asked with")]
    Excess(String),
}

impl Tracing {
    /// Spans go to `endpoint`. For OTLP/HTTP, an endpoint without a path is asked at
    /// [`TRACES_PATH`].
    ///
    /// # Errors
    /// If nobody can be reached there.
    pub fn new(endpoint: &str, protocol: Otlp, sampling: Weight) -> Result<Self, InvalidCollector> {
        let text = || endpoint.to_owned();
        let uri: Uri = endpoint.parse().map_err(|_error| InvalidCollector::NotAUrl(text()))?;
        let authority = uri.authority().ok_or_else(|| InvalidCollector::NotAUrl(text()))?;
        if uri.scheme_str() != Some("http") {
            return Err(InvalidCollector::Scheme(text()));
        }
        if authority.as_str().contains('@') || endpoint.contains(['?', '#']) {
            return Err(InvalidCollector::Excess(text()));
        }
        if authority.port_u16().is_none_or(|port| port == 0) {
            return Err(InvalidCollector::NoPort(text()));
        }
        let endpoint = match (protocol, uri.path()) {
            (Otlp::Grpc | Otlp::Http, "" | "/") => format!("http://{authority}"),
            (Otlp::Http, path) => format!("http://{authority}{path}"),
            (Otlp::Grpc, _) => return Err(InvalidCollector::Path(text())),
        };
        Ok(Self { endpoint: endpoint.into(), protocol, sampling })
    }

    /// Where the collector is, as it was said.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What it is spoken to in.
    #[must_use]
    pub const fn protocol(&self) -> Otlp {
        self.protocol
    }

    /// What is asked for: for gRPC the collector itself, for HTTP the resource that takes traces.
    #[must_use]
    pub fn url(&self) -> String {
        let has_path = self.endpoint.matches('/').nth(2).is_some();
        match self.protocol {
            Otlp::Http if !has_path => format!("{}{TRACES_PATH}", self.endpoint),
            Otlp::Http | Otlp::Grpc => self.endpoint.to_string(),
        }
    }
}

impl fmt::Display for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        })
    }
}

/// What a collector of OTLP/HTTP takes traces at (OTLP specification, "OTLP/HTTP Request").
pub const TRACES_PATH: &str = "/v1/traces";

#[cfg(test)]
mod tests {
    use super::*;

    fn url(endpoint: &str, protocol: Otlp) -> Result<String, InvalidCollector> {
        Tracing::new(endpoint, protocol, Weight::ALL).map(|tracing| tracing.url())
    }

    #[test]
    fn traces_go_to_their_own_resource_unless_a_path_is_said() {
        for (said, asked) in [
            ("http://otel:4318", "http://otel:4318/v1/traces"),
            ("http://otel:4318/", "http://otel:4318/v1/traces"),
            ("http://[fd00::1]:4318", "http://[fd00::1]:4318/v1/traces"),
            ("http://otel:4318/tenant/a", "http://otel:4318/tenant/a"),
        ] {
            assert_eq!(url(said, Otlp::Http).unwrap(), asked);
        }
        assert_eq!(url("http://otel:4317/", Otlp::Grpc).unwrap(), "http://otel:4317");
    }

    #[test]
    fn what_is_wrong_with_an_endpoint_is_said() {
        let label = |endpoint, protocol| match url(endpoint, protocol).unwrap_err() {
            InvalidCollector::NotAUrl(_) => "no url",
            InvalidCollector::Scheme(_) => "scheme",
            InvalidCollector::NoPort(_) => "port",
            InvalidCollector::Path(_) => "path",
            InvalidCollector::Excess(_) => "excess",
        };
        for wrong in ["", "/v1/traces", "otel 4317", "http://"] {
            assert_eq!(label(wrong, Otlp::Grpc), "no url", "{wrong}");
        }
        for wrong in ["https://otel:4317", "otel:4317", "grpc://otel:4317"] {
            assert_eq!(label(wrong, Otlp::Grpc), "scheme", "{wrong}");
        }
        for wrong in ["http://otel", "http://otel/v1/traces", "http://otel:0"] {
            assert_eq!(label(wrong, Otlp::Http), "port", "{wrong}");
        }
        assert_eq!(label("http://otel:4317/v1/traces", Otlp::Grpc), "path");
        for wrong in ["http://me@otel:4317", "http://otel:4317?a=b", "http://otel:4317/#a"] {
            assert_eq!(label(wrong, Otlp::Http), "excess", "{wrong}");
        }
    }

    #[test]
    fn what_was_checked_stands_as_it_was_said() {
        for said in ["http://otel:4318", "http://otel:4318/tenant/a"] {
            let tracing = Tracing::new(said, Otlp::Http, Weight::ALL).unwrap();
            assert_eq!(tracing.endpoint(), said);
            let again = Tracing::new(tracing.endpoint(), Otlp::Http, Weight::ALL).unwrap();
            assert_eq!(again, tracing);
        }
    }
}
