//! What the proxy does with HTTP itself, whichever way it flows: names of headers, what belongs to
//! one hop only, bodies, what is answered when there is nobody to ask.

pub mod arriving;
pub mod body;
pub mod exchange;
pub mod framing;
pub mod head;
pub mod head_timer;
pub mod host;
pub mod http2;
pub mod marks;
pub mod messages;
pub mod park;
pub mod recorder;
pub mod reply;
pub mod send;
pub mod serve;
pub mod upgrade;

use std::pin::Pin;

use http::{HeaderName, HeaderValue};

/// Runs hyper's tasks on the worker that owns the connection; nothing is ever sent to another
/// thread.
#[derive(Clone, Copy, Debug)]
pub struct OnThisWorker;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnThisWorker {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// A future that stays on its worker. Boxed, because what handles a request is large and is moved
/// often.
pub type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// What needs no waiting for.
#[must_use]
pub fn at_once<T: 'static>(value: T) -> Local<T> {
    Box::pin(std::future::ready(value))
}

/// What the server's application must not have to believe of its client, and what it must not
/// believe either when it comes from outside.
pub const CLIENT_CERTIFICATE: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// For whom a load balancer in front of the pod sends, after whatever it says already.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Between proxies: the version of HTTP that the client spoke, so that the application is spoken to
/// likewise.
pub const CLIENT_VERSION: HeaderName = HeaderName::from_static("x-serin-client-version");
/// Between proxies, on a 503: nobody has begun to work on the request, so it may be sent elsewhere.
pub const NOT_PROCESSED: HeaderName = HeaderName::from_static("x-serin-not-processed");
/// The value of [`NOT_PROCESSED`] when the endpoint is about to leave, which is no failure of it.
pub const LEAVING: HeaderValue = HeaderValue::from_static("leaving");
/// Between proxies, on a request: it can be sent elsewhere, so one that leaves need not take it.
pub const ELSEWHERE: HeaderName = HeaderName::from_static("x-serin-elsewhere");

/// How much of one stream may be under way without the reader having asked for it.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for a connection: as much as all its streams, so that one that stalls never holds up
/// the others.
pub const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS;
/// How many requests share a connection between two proxies.
pub const STREAMS: u32 = 64;
/// How large a request's or response's head may be, which is also how much of a body of HTTP/1 is
/// read at a time. More is no better, and 64 KiB is much worse: on Linux, passing a body on in
/// pieces of just that size costs twice as much as in pieces of this (docs/performance.md).
pub const LONGEST_HEAD: u32 = 48 * 1024;
