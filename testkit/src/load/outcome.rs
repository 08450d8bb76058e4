//! What became of one request.

/// How a request failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// No connection could be made.
    Connect,
    /// No complete answer came in time.
    Timeout,
    /// The connection ended before an answer began.
    Closed,
    /// The answer ended before it was complete.
    Truncated,
    /// The answer says that it failed.
    Status,
}

impl Kind {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Truncated => "truncated",
            Self::Status => "status",
        }
    }
}

/// What became of one request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Outcome {
    /// `200`, `grpc-0`; absent when no answer began.
    pub(super) status: Option<String>,
    /// The version that the answer named.
    pub(super) version: Option<String>,
    /// How it failed, and the status or error in words.
    pub(super) failure: Option<(Kind, String)>,
    /// The messages of a conversation that were answered.
    pub(super) messages: u32,
    /// How often a conversation went on elsewhere, because its server left.
    pub(super) moves: u32,
}

impl Outcome {
    /// A request that nobody answered.
    pub(super) fn unanswered(kind: Kind, detail: String) -> Self {
        Self { failure: Some((kind, detail)), ..Self::default() }
    }
}
