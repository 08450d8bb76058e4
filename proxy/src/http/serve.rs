//! Serves HTTP on a connection that a client opened.

use std::{
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::{
    CONNECTION_WINDOW, LONGEST_HEAD, Local, OnThisWorker, STREAM_WINDOW, STREAMS,
    body::ResponseBody,
    head_timer::{HeadState, InRequest, Watched},
    park::Keeping,
};
use crate::drain::State;

/// Answers requests. What it is given with a request says that bytes that follow are the request's
/// own; it is to be kept for as long as that holds.
pub type Handler = Rc<
    dyn Fn(
        Request<Incoming>,
        Option<InRequest>,
    ) -> Local<Result<Response<ResponseBody>, h2::Error>>,
>;

/// How heads of HTTP/1 are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How long one may take, from its first byte to its last.
    pub limit: Duration,
    /// Whether names of headers are kept as they were written, both ways. It costs a fifth of what
    /// a small request does.
    pub keeps_case: bool,
}

/// What ends when a connection is to be told to end.
pub type Leaving = Local<()>;

/// A connection that is never told to end.
#[must_use]
pub fn never() -> Leaving {
    Box::pin(std::future::pending())
}

/// Serves HTTP/1, each request's head as `reading` says, until the client closes, or something
/// fails, which ends this connection and nothing else; once it leaves, it ends with the request
/// that is under way.
///
/// A proxy that drains does not close an idle connection, on which a request may be under way; its
/// answers say `connection: close`, which the handler sees to.
///
/// # Errors
/// What ended the connection.
pub async fn serve_http1<I>(
    io: I,
    handler: Handler,
    reading: Reading,
    leaving: Leaving,
) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = Arc::new(HeadState::default());
    let mut leaving = leaving;
    let mut io = Keeping::new(io, Bytes::new());
    loop {
        // Boxed, so that a connection that rests does not keep the room of one that works.
        let served = Box::pin(serve_until_rest(io, &handler, &state, reading, &mut leaving));
        let Some(resting) = served.await? else { return Ok(()) };
        let spoken_on = tokio::select! {
            biased;
            () = &mut leaving => return Ok(()),
            spoken_on = resting.spoken_on() => spoken_on,
        };
        match spoken_on {
            Ok(Some(again)) => io = again,
            Ok(None) => return Ok(()),
            Err(error) => {
                debug!(%error, "a resting connection broke");
                return Ok(());
            }
        }
    }
}

/// Serves requests; gives the connection back once it rests, and nothing once it has ended.
async fn serve_until_rest<I>(
    io: Keeping<I>,
    handler: &Handler,
    state: &Arc<HeadState>,
    reading: Reading,
    leaving: &mut Leaving,
) -> hyper::Result<Option<Keeping<I>>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let hold = io.hold();
    let io = TokioIo::new(Watched::new(io, Arc::clone(state), reading.limit));
    let service = service_fn(|request| handler(request, Some(state.enter())));
    let mut builder = http1::Builder::new();
    builder
        // A client that closes has given up, and so do we: whoever works for it is told.
        .half_close(false)
        .header_read_timeout(None)
        .preserve_header_case(reading.keeps_case)
        .max_buf_size(LONGEST_HEAD as usize)
        .auto_date_header(false);
    let mut connection = builder.serve_connection(io, service).with_upgrades();
    tokio::select! {
        biased;
        ended = &mut connection => return ended.map(|()| None),
        () = leaving => {
            Pin::new(&mut connection).graceful_shutdown();
            return connection.await.map(|()| None);
        }
        () = hold.rested(state) => {}
    }
    hold.keep_open();
    Pin::new(&mut connection).graceful_shutdown();
    (&mut connection).await?;
    let parts = connection.into_parts();
    Ok(parts.map(|parts| parts.io.into_inner().into_inner().taken_back(&parts.read_buf)))
}

/// Serves HTTP/2 until the client closes, or we leave and what was begun has ended.
///
/// # Errors
/// What ended the connection.
pub async fn serve_http2<I>(io: I, handler: Handler, leaving: Leaving) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request| handler(request, None));
    let mut builder = http2::Builder::new(OnThisWorker);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS * 4)
        // A client that gives up on all it has asked for is no attack, and others share the
        // connection.
        .max_pending_accept_reset_streams(STREAMS as usize * 4)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .max_header_list_size(LONGEST_HEAD)
        .auto_date_header(false)
        .enable_connect_protocol();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = leaving => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Ends when the proxy drains.
pub async fn drained(mut state: tokio::sync::watch::Receiver<State>) {
    if state.wait_for(|state| *state != State::Serving).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
