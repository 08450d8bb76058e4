//! Which requests and connections are logged, and in what form.

use crate::weight::Weight;

/// How proxies log what they carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AccessLog {
    /// The form of a line.
    pub encoding: Encoding,
    /// The share of requests and connections that may be logged.
    pub sampling: Weight,
    /// Whether those that went well are left out.
    pub only_errors: bool,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encoding {
    /// A JSON object.
    #[default]
    Json,
    /// Istio's text.
    Text,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { encoding: Encoding::Json, sampling: Weight::ALL, only_errors: false }
    }
}
