//! One request and its response, from the first byte to the last: what will be recorded when it is
//! over, however it ends. Dropping an exchange is what records it, so that nothing that ends early
//! is forgotten.

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc};

use http::HeaderMap;
use tokio::time::Instant;

use super::{
    body::Source,
    head::Head,
    head_timer::InRequest,
    messages::Messages,
    recorder::{End, Shared},
};
use crate::{
    access_log::{Entry, Logbook, Outcome},
    drain::InFlight,
    metrics::{
        Event,
        labels::{Flags, Reporter, RequestProtocol},
    },
    telemetry_rows::Row,
    trace::Span,
};

/// A request under way.
#[derive(Debug)]
pub struct Exchange {
    started: Instant,
    recorder: Shared,
    protocol: RequestProtocol,
    code: Cell<u16>,
    grpc_status: Cell<Option<u16>>,
    flags: Cell<Flags>,
    stage: Cell<Stage>,
    source: Option<Rc<Source>>,
    /// When the response was passed on to its end.
    ended: Cell<Option<Instant>>,
    response_bytes: Cell<u64>,
    response_messages: Cell<Messages>,
    row: Option<Arc<Row>>,
    entry: Option<Box<(Logbook, Entry)>>,
    span: Option<Box<Span>>,
    /// What counts or waits for requests under way.
    held: Option<Held>,
}

/// What a request holds on to for as long as it is under way.
#[derive(Debug)]
pub struct Held {
    /// Its place among all that is in flight.
    pub in_flight: InFlight,
    /// Its claim that the bytes its client sends are no new request's, unless its body has it.
    pub in_request: Option<InRequest>,
}

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Nobody has answered.
    Asked,
    /// The response's head was passed on.
    Answered,
    /// The server ended the response before its end.
    Failed,
    /// All was passed on.
    Complete,
}

impl Exchange {
    /// An exchange that begins now.
    #[must_use]
    pub fn begin(recorder: Shared, head: &Head, source: Option<Rc<Source>>, held: Held) -> Self {
        let protocol = if head.is_grpc() { RequestProtocol::Grpc } else { RequestProtocol::Http };
        if protocol == RequestProtocol::Grpc
            && let Some(source) = &source
        {
            source.count_messages(&recorder);
        }
        Self {
            started: Instant::now(),
            recorder,
            protocol,
            code: Cell::new(0),
            grpc_status: Cell::new(None),
            flags: Cell::new(Flags::DownstreamTermination),
            stage: Cell::new(Stage::Asked),
            source,
            ended: Cell::new(None),
            response_bytes: Cell::new(0),
            response_messages: Cell::default(),
            row: None,
            entry: None,
            span: None,
            held: Some(held),
        }
    }

    /// When it began.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Whether it is gRPC.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.protocol == RequestProtocol::Grpc
    }

    /// Will be logged, too.
    pub fn log(&mut self, log: Logbook, entry: Entry) {
        self.entry = Some(Box::new((log, entry)));
    }

    /// Is a part of a trace that is recorded.
    pub fn trace(&mut self, span: Box<Span>) {
        self.span = Some(span);
    }

    /// The endpoint that is to answer it, and the row of its revision if a rollout is on.
    pub fn directed(
        &mut self,
        recorder: Shared,
        row: Option<Arc<Row>>,
        address: Option<SocketAddr>,
    ) {
        if self.is_grpc()
            && let Some(source) = &self.source
        {
            source.count_messages(&recorder);
        }
        self.recorder = recorder;
        self.row = row;
        if let Some(entry) = &mut self.entry {
            entry.1.upstream = address;
        }
        if let Some(span) = &mut self.span {
            span.peer = address;
        }
    }

    /// An attempt at the endpoint it was last directed to is given up and another follows; it
    /// counts if it says anything about the endpoint.
    pub fn attempt_failed(&mut self, is_verdict: bool) {
        if let Some(row) = self.row.take()
            && is_verdict
        {
            row.record(false);
        }
    }

    /// The response's head is passed on.
    pub fn answered(&mut self, code: u16, headers: &HeaderMap) {
        self.note_trailers(headers);
        self.come_to(Stage::Answered, code, Flags::DownstreamTermination);
        if let Some(entry) = &mut self.entry {
            entry.1.upstream_time = Some(self.started.elapsed());
        }
    }

    /// The proxy answers itself.
    pub fn answered_here(&self, code: u16, grpc_status: Option<u16>, flags: Flags) {
        self.grpc_status.set(grpc_status);
        self.come_to(Stage::Failed, code, flags);
    }

    /// Bytes of the response's body are passed on.
    pub fn note_response(&self, data: &[u8]) {
        self.response_bytes.set(self.response_bytes.get() + data.len() as u64);
        if self.is_grpc() {
            let mut messages = self.response_messages.get();
            self.recorder.count_responses(messages.pass(data));
            self.response_messages.set(messages);
        }
    }

    /// Looks for gRPC's status, which comes in trailers, or in the head if there is nothing else.
    pub fn note_trailers(&self, trailers: &HeaderMap) {
        if self.is_grpc()
            && let Some(status) = trailers.get("grpc-status")
        {
            let known = |status: u16| if status <= LAST_STATUS { status } else { UNKNOWN_STATUS };
            self.grpc_status.set(status.to_str().ok().and_then(|it| it.parse().ok()).map(known));
        }
    }

    /// The server's connection ended before the response did.
    pub fn upstream_failed(&self) {
        self.come_to(Stage::Failed, self.code.get(), Flags::UpstreamTermination);
    }

    /// The response was passed on to its end, `now`.
    pub fn complete(&self, now: Instant) {
        self.ended.set(Some(now));
        self.come_to(Stage::Complete, self.code.get(), Flags::None);
    }

    /// Goes on to `stage`, unless the client broke its request off before: then nobody is there for
    /// an answer, and none that comes, ours or the server's, says anything about the server.
    fn come_to(&self, stage: Stage, code: u16, flags: Flags) {
        let is_broken_off = self.source.as_ref().is_some_and(|source| source.is_broken_off());
        match (self.stage.get(), stage) {
            (Stage::Asked, _) | (Stage::Answered, Stage::Failed) if is_broken_off => {}
            (Stage::Asked | Stage::Answered | Stage::Failed | Stage::Complete, stage) => {
                self.code.set(code);
                self.flags.set(flags);
                self.stage.set(stage);
            }
        }
    }

    /// What it holds on to, and the body that may, for whoever goes on where the exchange ends.
    pub fn release(&mut self) -> (Option<Held>, Option<Rc<Source>>) {
        (self.held.take(), self.source.clone())
    }

    /// Whether the attempt was a good one, as a rollout sees it; nothing if the client was gone
    /// before there was anything to judge.
    fn verdict(&self) -> Option<bool> {
        match self.stage.get() {
            Stage::Asked => None,
            Stage::Failed => Some(false),
            Stage::Answered | Stage::Complete => Some(!self.is_bad()),
        }
    }

    fn is_bad(&self) -> bool {
        self.code.get() >= 500 || self.grpc_status.get().is_some_and(is_servers_fault)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let (Some(row), Some(ok)) = (&self.row, self.verdict()) {
            row.record(ok);
        }
        let took = self.ended.get().unwrap_or_else(Instant::now) - self.started;
        let request_bytes = self.source.as_ref().map_or(0, |source| source.bytes());
        let response_bytes = self.response_bytes.get();
        let Self { protocol, code, grpc_status, flags, .. } = &*self;
        let (protocol, code) = (*protocol, code.get());
        let end = End { protocol, code, grpc_status: grpc_status.get(), flags: flags.get() };
        self.recorder.record(end, took, request_bytes, response_bytes);
        if let Some(span) = self.span.take() {
            let service = &self.recorder.path().service.host;
            if !span.finish(&end, took, [request_bytes, response_bytes], service) {
                self.recorder.count(Event::SpanDropped);
            }
        }
        if let Some(entry) = self.entry.take() {
            let (log, entry) = *entry;
            let End { code, grpc_status, flags, .. } = end;
            let inbound = self.recorder.path().reporter == Reporter::Destination;
            let bytes = [request_bytes, response_bytes];
            let outcome = Outcome { inbound, code, grpc_status, flags, took, bytes };
            if !log.write(&entry, &outcome) {
                self.recorder.count(Event::LogLineDropped);
            }
        }
    }
}

/// The last of gRPC's statuses; what is beyond it is to be taken for [`UNKNOWN_STATUS`] (gRPC,
/// "Status codes and their use"), and labels are not for a server to make up.
const LAST_STATUS: u16 = 16;
const UNKNOWN_STATUS: u16 = 2;

/// gRPC statuses whose HTTP counterpart is a 5xx (google.rpc.Code).
const fn is_servers_fault(status: u16) -> bool {
    matches!(status, 2 | 4 | 12 | 13 | 14 | 15)
}
