//! What the generator says: at `/stats`, once a second, and at its end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything counted since the start or the last reset.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stats {
    /// When counting began.
    pub since_unix_ms: u64,
    /// When this was read.
    pub now_unix_ms: u64,
    /// Requests, or conversations, that have come to an end.
    pub total: u64,
    /// Those that were answered well.
    pub ok: u64,
    /// All others.
    pub failed: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Messages of conversations that were answered.
    pub messages: u64,
    /// How often a conversation went on elsewhere, because its server left.
    pub moves: u64,
    /// Requests by the version that answered; `none` where no answer named one.
    pub by_version: BTreeMap<String, VersionCount>,
    /// Answers by status: `200`, `503`, or for gRPC `grpc-0`, `grpc-14`.
    pub by_status: BTreeMap<String, u64>,
    /// Failures by kind: `connect`, `timeout`, `closed`, `truncated`, `status`.
    pub by_failure: BTreeMap<String, u64>,
    /// When the first failure was seen.
    pub first_failure_unix_ms: Option<u64>,
    /// When the last failure was seen.
    pub last_failure_unix_ms: Option<u64>,
    /// The last failures, oldest first, at most 20.
    pub failures: Vec<Failure>,
    /// From the intended time of sending to the end of the answer, good answers only.
    pub latency: Latency,
}

impl Stats {
    /// How many answers came from `version`.
    #[must_use]
    pub fn version(&self, version: &str) -> VersionCount {
        self.by_version.get(version).copied().unwrap_or_default()
    }
}

/// The requests that one version answered.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct VersionCount {
    /// All of them.
    pub total: u64,
    /// Those it failed.
    pub failed: u64,
    /// When it first answered.
    pub first_unix_ms: u64,
    /// When it last answered.
    pub last_unix_ms: u64,
    /// When it first failed.
    pub first_failure_unix_ms: Option<u64>,
    /// When it last failed.
    pub last_failure_unix_ms: Option<u64>,
}

/// One request that failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// When that was seen.
    pub unix_ms: u64,
    /// `connect`, `timeout`, `closed`, `truncated` or `status`.
    pub kind: String,
    /// The status, or the error in words.
    pub detail: String,
    /// The version that answered, or `none`.
    pub version: String,
}

/// Percentiles, each at most 4 % above the true one.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Latency {
    /// Half were faster.
    pub p50_us: u64,
    /// 90 of 100 were faster.
    pub p90_us: u64,
    /// 99 of 100 were faster.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// One second of it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Second {
    /// When it ended.
    pub unix_ms: u64,
    /// Requests that ended well in it.
    pub ok: u64,
    /// All others that ended in it.
    pub failed: u64,
    /// Requests by the version that answered.
    pub by_version: BTreeMap<String, u64>,
    /// Of the good ones.
    pub latency: Latency,
}
