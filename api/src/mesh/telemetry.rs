//! What a mesh tells of itself: metrics, traces and logs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Metrics, traces and logs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Telemetry {
    /// Whether proxies log every request.
    pub access_log: bool,
    /// Where proxies send spans of requests; there are none if absent.
    pub tracing: Option<Tracing>,
}

/// Spans of requests: one from each proxy that a request passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// The collector, as `http://<host>:<port>`; for OTLP/HTTP with the path that takes traces, if
    /// that is not `/v1/traces`. There is no TLS to it.
    #[schemars(
        length(max = 1024),
        regex(pattern = r"^http://[^/?#@\s]+:[1-9][0-9]{0,4}(/[^?#\s]*)?$")
    )]
    pub endpoint: String,
    /// What the collector speaks: OTLP over gRPC, or over HTTP with bodies of protobuf.
    #[serde(default)]
    pub protocol: OtlpProtocol,
    /// The share, from 0 to 1, of traces that begin in the mesh and are recorded, in steps of
    /// 0.0001. A trace that an application or a gateway began is recorded if they say so.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default = "one_in_a_hundred")]
    pub sampling_ratio: f64,
}

/// What a collector speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OtlpProtocol {
    /// OTLP/gRPC.
    #[default]
    Grpc,
    /// OTLP/HTTP.
    Http,
}

fn one_in_a_hundred() -> f64 {
    0.01
}
