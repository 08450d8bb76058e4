//! What a line of the log tells: what was known when a request or a byte stream began, what was
//! added on its way, and how it ended.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::{http::head::Head, metrics::labels::Flags};

/// What is known of a request or a byte stream when it begins, and what is added on its way.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// What it asks for; nothing for a byte stream.
    pub head: Option<LoggedHead>,
    /// Who sent it.
    pub client: Option<SocketAddr>,
    /// Where it was going.
    pub original: Option<SocketAddr>,
    /// Who answered.
    pub upstream: Option<SocketAddr>,
    /// How long that took, to the response's head.
    pub upstream_time: Option<Duration>,
    /// The route it took.
    pub route: Option<Arc<str>>,
    /// The service it went to.
    pub service: Option<String>,
}

/// What is logged of a request's head.
#[derive(Clone, Debug)]
pub struct LoggedHead {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) protocol: &'static str,
    pub(super) authority: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) forwarded_for: Option<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Whether it came from elsewhere to the pod.
    pub inbound: bool,
    /// The status; 0 if there was none.
    pub code: u16,
    /// gRPC's status.
    pub grpc_status: Option<u16>,
    /// What the proxy has to say.
    pub flags: Flags,
    /// From its begin to its end.
    pub took: Duration,
    /// Bytes from the client, and back to it.
    pub bytes: [u64; 2],
}

impl Entry {
    /// What a request's `head` says.
    #[must_use]
    pub fn new(head: &Head) -> Self {
        let header = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let head = LoggedHead {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            protocol: protocol(head.version),
            authority: head.authority().map(|authority| authority.to_string()),
            user_agent: header("user-agent"),
            request_id: header("x-request-id"),
            forwarded_for: header("x-forwarded-for"),
        };
        Self { head: Some(head), ..Self::default() }
    }
}

impl Outcome {
    /// Whether it is one that somebody who looks for failures wants to see.
    #[must_use]
    pub fn is_error(&self) -> bool {
        let grpc_failed = self.grpc_status.is_some_and(|status| status != 0);
        self.code >= 400 || grpc_failed || self.flags != Flags::None
    }
}

fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}
