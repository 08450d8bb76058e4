//! Bodies on their way: never gathered, passed on frame by frame as the reader asks for them.
//!
//! A request's first 64 KiB are kept until somebody has answered, so that it can be sent again when
//! it provably was not worked on, unless memory is scarce. Keeping is sharing: the bytes are not
//! copied.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    arriving::Arriving, exchange::Exchange, head_timer::InRequest, messages::Messages,
    recorder::Shared, send::Lease,
};

/// Why a body ended too early.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A request's body, for one attempt or several.
#[derive(Debug)]
pub struct Source {
    state: RefCell<State>,
    bytes: Cell<u64>,
    broken_off: Cell<bool>,
    /// An answer may come before the body has ended; what follows is still the body.
    _in_request: Option<InRequest>,
    /// Where messages are counted, if the body is gRPC's.
    messages: RefCell<Option<(Messages, Shared)>>,
}

#[derive(Debug)]
struct State {
    incoming: Arriving,
    /// Counts attempts: the body of an earlier one has lost its right to read.
    attempt: u32,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    /// How much may be kept.
    room: usize,
    /// More was passed on than is kept, or nobody needs it any more.
    let_go: bool,
    ended: bool,
    trailers: Option<HeaderMap>,
}

/// A request's body as one attempt reads it.
#[derive(Debug)]
pub struct RequestBody(Option<Reader>);

#[derive(Debug)]
struct Reader {
    source: Rc<Source>,
    attempt: u32,
    next: usize,
    told_trailers: bool,
}

/// A response's body.
#[derive(Debug)]
pub enum ResponseBody {
    /// Nothing.
    Empty,
    /// The proxy's own words.
    Full(Option<Bytes>),
    /// What the server sends, and what ends with it.
    Streamed(Box<Streamed>),
}

/// A server's body, which holds on to the connection and the record of the exchange until it ends.
#[derive(Debug)]
pub struct Streamed {
    incoming: Arriving,
    exchange: Exchange,
    lease: Option<Lease>,
}

impl Source {
    /// The body of a request that came by `version`; nothing if there is none. It takes
    /// `in_request` and keeps it for as long as anyone may read on.
    #[must_use]
    pub fn new(
        incoming: Incoming,
        version: Version,
        in_request: &mut Option<InRequest>,
    ) -> Option<Rc<Self>> {
        if incoming.is_end_stream() {
            return None;
        }
        let incoming = Arriving::message(incoming, version);
        let (kept, trailers) = (Vec::new(), None);
        let (kept_bytes, room, attempt, let_go, ended) = (0, KEPT, 0, false, false);
        let state = State { incoming, attempt, kept, kept_bytes, room, let_go, ended, trailers };
        Some(Rc::new(Self {
            state: RefCell::new(state),
            bytes: Cell::new(0),
            broken_off: Cell::new(false),
            _in_request: in_request.take(),
            messages: RefCell::default(),
        }))
    }

    /// The body for a new attempt; what an earlier attempt holds is void. Nothing if not all is
    /// there any more.
    #[must_use]
    pub fn begin(self: &Rc<Self>) -> Option<RequestBody> {
        let mut state = self.state.borrow_mut();
        if state.let_go {
            return None;
        }
        state.attempt += 1;
        let (source, attempt) = (Rc::clone(self), state.attempt);
        Some(RequestBody(Some(Reader { source, attempt, next: 0, told_trailers: false })))
    }

    /// Never keeps anything, so that what was read can be sent once. To be said before anything is.
    pub fn keep_nothing(&self) {
        self.state.borrow_mut().room = 0;
    }

    /// Keeps nothing any more: somebody has answered.
    pub fn let_go(&self) {
        // What is kept goes with the next frame: the reader may not have come to its end yet.
        self.state.borrow_mut().let_go = true;
    }

    /// Counts the body's messages with `recorder` from now on.
    pub fn count_messages(&self, recorder: &Shared) {
        let mut counted = self.messages.borrow_mut();
        let messages = counted.take().map_or_else(Messages::default, |(messages, _)| messages);
        *counted = Some((messages, Shared::clone(recorder)));
    }

    fn note(&self, data: &Bytes) {
        self.bytes.set(self.bytes.get() + data.len() as u64);
        if let Some((messages, recorder)) = &mut *self.messages.borrow_mut() {
            recorder.count_requests(messages.pass(data));
        }
    }

    /// How many bytes came from the client.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Whether the client went away in the middle of it: what fails from then on is nobody else's
    /// fault.
    #[must_use]
    pub fn is_broken_off(&self) -> bool {
        self.broken_off.get()
    }
}

impl State {
    fn keep(&mut self, data: &Bytes) -> bool {
        if self.let_go || self.kept_bytes + data.len() > self.room {
            self.let_go = true;
            self.kept.clear();
            return false;
        }
        self.kept_bytes += data.len();
        self.kept.push(data.clone());
        true
    }
}

impl RequestBody {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self(None)
    }
}

impl Reader {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut state = self.source.state.borrow_mut();
        if state.attempt != self.attempt {
            return Poll::Ready(Some(Err("another attempt has taken over".into())));
        }
        if let Some(data) = state.kept.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if state.ended {
            return Poll::Ready(match state.trailers.clone() {
                Some(trailers) if !self.told_trailers => {
                    self.told_trailers = true;
                    Some(Ok(Frame::trailers(trailers)))
                }
                Some(_) | None => None,
            });
        }
        let frame = match ready!(state.incoming.poll_telling(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(_error)) => {
                self.source.broken_off.set(true);
                // Whatever the client said, to the server it is a request that was cancelled.
                return Poll::Ready(Some(Err(h2::Error::from(h2::Reason::CANCEL).into())));
            }
            None => {
                state.ended = true;
                return Poll::Ready(None);
            }
        };
        if let Some(data) = frame.data_ref() {
            self.source.note(data);
            if state.keep(data) {
                self.next += 1;
            } else {
                self.next = 0;
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            state.trailers = Some(trailers.clone());
            state.ended = true;
            self.told_trailers = true;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    /// Whether the frame that was read last was the end: it can be sent as the end, too.
    fn is_end_stream(&self) -> bool {
        let state = self.source.state.borrow();
        let has_all = state.attempt == self.attempt && self.next >= state.kept.len();
        has_all && state.incoming.is_end_stream() && state.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.source.state.borrow();
        let ahead: u64 = state.kept.iter().skip(self.next).map(|data| data.len() as u64).sum();
        let mut hint = state.incoming.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + ahead);
        }
        hint.set_lower(hint.lower() + ahead);
        hint
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.as_mut().map_or(Poll::Ready(None), |reader| reader.poll(context))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Reader::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Reader::size_hint)
    }
}

impl ResponseBody {
    /// What a server sends. Ends at once if it sends nothing.
    #[must_use]
    pub fn streamed(incoming: Arriving, exchange: Exchange, lease: Lease) -> Self {
        if incoming.is_end_stream() {
            let now = Instant::now();
            exchange.complete(now);
            lease.give_back(now);
            return Self::Empty;
        }
        Self::Streamed(Box::new(Streamed { incoming, exchange, lease: Some(lease) }))
    }
}

impl Streamed {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match ready!(self.incoming.poll_telling(context)) {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.exchange.note_response(data);
                } else if let Some(trailers) = frame.trailers_ref() {
                    self.exchange.note_trailers(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.exchange.upstream_failed();
                // The connection is of no more use.
                self.lease = None;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                self.finish();
                Poll::Ready(None)
            }
        }
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            let now = Instant::now();
            self.exchange.complete(now);
            lease.give_back(now);
        }
    }
}

impl Drop for Streamed {
    /// A reader that knows the length stops at it and does not ask for an end.
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.finish();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Full(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Streamed(streamed) => streamed.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Full(None) => true,
            Self::Full(Some(_)) => false,
            Self::Streamed(streamed) => streamed.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Full(None) => SizeHint::with_exact(0),
            Self::Full(Some(text)) => SizeHint::with_exact(text.len() as u64),
            Self::Streamed(streamed) => streamed.incoming.size_hint(),
        }
    }
}

/// How much of a request's body is kept to be sent again.
pub const KEPT: usize = 64 * 1024;

#[cfg(test)]
mod tests;
