//! One HTTP connection from its first byte to its last, stop included.

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{Answer, Call};
use crate::reply::Body;

/// How long a connection that was accepted and has said nothing may still bring its first request
/// after the stop. Without it hyper closes such a connection with the request unread.
const FIRST_REQUEST: Duration = Duration::from_secs(2);
/// Room for fast transfers over HTTP/2; hyper's defaults halve them.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Serves one connection until its client is done, or the stop has been honoured.
pub(super) async fn serve<A: Answer + Sync>(
    stream: TcpStream,
    peer: SocketAddr,
    answer: A,
    stop: CancellationToken,
) {
    let spoken = CancellationToken::new();
    let (speak, stopping) = (spoken.clone(), stop.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        speak.cancel();
        let (answer, stopping) = (answer.clone(), stopping.clone());
        async move {
            let version = request.version();
            let mut response = answer.answer(Call { request, peer }).await;
            if stopping.is_cancelled() && version < Version::HTTP_2 {
                say_goodbye(&mut response);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let mut connection =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // A connection that breaks is its client's affair: the client sees it, the server goes on.
    tokio::select! {
        biased;
        _ended = connection.as_mut() => return,
        () = stop.cancelled() => {}
    }
    // What has arrived is read first: yielding lets the runtime hear of it.
    tokio::select! {
        biased;
        _ended = connection.as_mut() => return,
        () = tokio::task::yield_now() => {}
    }
    tokio::select! {
        biased;
        _ended = connection.as_mut() => return,
        () = spoken.cancelled() => {}
        () = tokio::time::sleep(FIRST_REQUEST) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}

/// Tells an HTTP/1.1 client not to reuse the connection. hyper does so too once it knows of the
/// shutdown, which may be one answer late.
fn say_goodbye(response: &mut Response<Body>) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}
