//! What a mesh tells of itself: metrics, traces and logs.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Metrics, traces and logs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Telemetry {
    /// What proxies log of the requests and connections that they carry.
    #[serde(deserialize_with = "read_access_log")]
    pub access_log: AccessLog,
    /// Where proxies send spans of requests; there are none if absent.
    pub tracing: Option<Tracing>,
}

/// What proxies log of the requests and connections that they carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLog {
    /// Whether they log any, where a pod says nothing else (`serin.dev/access-log`).
    pub enabled: bool,
    /// The form of a line.
    pub encoding: LogEncoding,
    /// The share, from 0 to 1, of requests and connections that may be logged, in steps of 0.0001.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ratio: f64,
    /// Which of those are.
    pub filter: LogFilter,
}

/// The form of a line of the access log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum LogEncoding {
    /// A JSON object with the fields that Istio's proxies have by default.
    #[default]
    Json,
    /// The text that Istio's proxies write by default.
    Text,
}

/// Which requests and connections are logged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum LogFilter {
    /// All.
    #[default]
    All,
    /// Those that failed: a status from 400 on, one of gRPC's but 0, or anything that the proxy has
    /// to say of the end.
    Errors,
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

impl Default for AccessLog {
    fn default() -> Self {
        let (encoding, filter) = (LogEncoding::default(), LogFilter::default());
        Self { enabled: false, encoding, ratio: 1.0, filter }
    }
}

/// Meshes that were stored by earlier versions say `true` or `false`.
fn read_access_log<'de, D: Deserializer<'de>>(from: D) -> Result<AccessLog, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Before(bool),
        Now(AccessLog),
    }
    Ok(match Said::deserialize(from)? {
        Said::Before(enabled) => AccessLog { enabled, ..AccessLog::default() },
        Said::Now(said) => said,
    })
}

fn one_in_a_hundred() -> f64 {
    0.01
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> AccessLog {
        serde_json::from_str::<Telemetry>(text).unwrap().access_log
    }

    #[test]
    fn a_log_that_was_stored_as_a_switch_is_still_read() {
        assert_eq!(read("{}"), AccessLog::default());
        assert_eq!(read(r#"{"accessLog":false}"#), AccessLog::default());
        let on = AccessLog { enabled: true, ..AccessLog::default() };
        assert_eq!(read(r#"{"accessLog":true}"#), on);
        assert_eq!(read(r#"{"accessLog":{"enabled":true}}"#), on);
        let text = read(r#"{"accessLog":{"encoding":"Text","ratio":0.5,"filter":"Errors"}}"#);
        let (encoding, filter) = (LogEncoding::Text, LogFilter::Errors);
        assert_eq!(text, AccessLog { enabled: false, encoding, ratio: 0.5, filter });
    }
}
