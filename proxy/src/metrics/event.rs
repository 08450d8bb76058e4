//! Things that happen to connections and that a person who looks for trouble wants counted: a
//! closed set.

use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::add;

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A peer without a certificate of the mesh was refused, because the workload is strict.
    RefusedPlain,
    /// A peer's certificate was refused, or its handshake failed.
    RefusedHandshake,
    /// A connection came for an address or a port that is not this pod's, or for the proxy itself.
    RefusedForeign,
    /// A connection to a destination that the mesh does not know was refused, as the mesh's policy
    /// says.
    RefusedUnknown,
    /// A connection from elsewhere was refused because it did not begin with the header that a load
    /// balancer is to send there (the PROXY protocol).
    RefusedHeader,
    /// A connection into the mesh was refused because the control plane did not say what is there.
    RefusedUndiscovered,
    /// A connection to an address of the mesh was refused because the control plane knows of no pod
    /// and no service there.
    RefusedAbsent,
    /// A server of the mesh did not prove the identity that was expected.
    RefusedServer,
    /// A request was sent to another endpoint, because the first had provably not worked on it.
    Replayed,
    /// A connection could not be made.
    ConnectFailed,
    /// A connection of the pod's own waited, since as many were open as may be.
    OutboundFull,
    /// A connection from elsewhere waited, since as many were open as may be.
    InboundFull,
    /// A connection of the pod's own was reset, since none had ended for too long where as many
    /// were open as may be.
    OutboundShed,
    /// The same of a connection from elsewhere.
    InboundShed,
    /// There was no descriptor, port or memory for another connection.
    Exhausted,
    /// A request was answered with 503, or a connection waited, because the process holds as much
    /// memory as it may.
    MemorySpent,
    /// Nobody had spoken on a connection for a while, and the server was asked, too. Where servers
    /// speak first this happens once; after that they are asked at once.
    FirstWordAwaited,
    /// A line of the access log was dropped because writing could not keep up.
    LogLineDropped,
    /// A span was dropped because the collector could not keep up, or would not have it.
    SpanDropped,
}

/// How often each happened, as one worker counts it.
#[derive(Debug, Default)]
pub(super) struct Events([AtomicU64; ALL.len()]);

impl Event {
    /// The name used as a label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::RefusedPlain => "refused_plain",
            Self::RefusedHandshake => "refused_handshake",
            Self::RefusedForeign => "refused_foreign",
            Self::RefusedUnknown => "refused_unknown",
            Self::RefusedHeader => "refused_header",
            Self::RefusedUndiscovered => "refused_undiscovered",
            Self::RefusedAbsent => "refused_absent",
            Self::RefusedServer => "refused_server",
            Self::Replayed => "replayed",
            Self::ConnectFailed => "connect_failed",
            Self::OutboundFull => "outbound_full",
            Self::InboundFull => "inbound_full",
            Self::OutboundShed => "outbound_shed",
            Self::InboundShed => "inbound_shed",
            Self::Exhausted => "exhausted",
            Self::MemorySpent => "memory_spent",
            Self::FirstWordAwaited => "first_word_awaited",
            Self::LogLineDropped => "log_line_dropped",
            Self::SpanDropped => "span_dropped",
        }
    }
}

impl Events {
    pub(super) fn count(&self, event: Event) {
        if let Some(counter) = self.0.get(event as usize) {
            add(counter, 1);
        }
    }

    pub(super) fn read(&self, event: Event) -> u64 {
        self.0.get(event as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

/// Every event, in the order of their numbers.
pub(super) const ALL: [Event; 19] = [
    Event::RefusedPlain,
    Event::RefusedHandshake,
    Event::RefusedForeign,
    Event::RefusedUnknown,
    Event::RefusedHeader,
    Event::RefusedUndiscovered,
    Event::RefusedAbsent,
    Event::RefusedServer,
    Event::Replayed,
    Event::ConnectFailed,
    Event::OutboundFull,
    Event::InboundFull,
    Event::OutboundShed,
    Event::InboundShed,
    Event::Exhausted,
    Event::MemorySpent,
    Event::FirstWordAwaited,
    Event::LogLineDropped,
    Event::SpanDropped,
];
