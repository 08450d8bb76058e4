//! `/ws`: a WebSocket that sends every message back (RFC 6455 over HTTP/1.1).

use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    reply::{self, Body},
    tasks::Tasks,
};

/// Accepts the upgrade; the echo runs in `tasks`, so that a stop waits for it.
pub(super) fn upgrade(
    mut request: Request<Incoming>,
    tasks: &Tasks,
    leaving: &CancellationToken,
) -> Response<Body> {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return reply::text(StatusCode::UPGRADE_REQUIRED, "this path speaks WebSocket");
    };
    let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) else {
        return reply::text(StatusCode::BAD_REQUEST, "malformed key");
    };
    let (upgrading, leaving) = (hyper::upgrade::on(&mut request), leaving.clone());
    tasks.spawn(async move {
        // A client that leaves in the middle of the handshake has nobody to be told about it.
        if let Ok(upgraded) = upgrading.await {
            echo(TokioIo::new(upgraded), &leaving).await;
        }
    });
    let mut response = Response::new(reply::full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// Sends messages back until the client closes or is gone, or this server is leaving: then it says
/// so, and how many messages it has sent back. Pings are answered by the library.
async fn echo(io: TokioIo<hyper::upgrade::Upgraded>, leaving: &CancellationToken) {
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    let mut echoed = 0_u32;
    loop {
        let message = tokio::select! {
            biased;
            message = socket.next() => message,
            () = leaving.cancelled() => break,
        };
        let Some(Ok(message)) = message else { return };
        if message.is_text() || message.is_binary() {
            if socket.send(message).await.is_err() {
                return;
            }
            echoed += 1;
        }
    }
    let reason = format!("{ECHOED}{echoed}").into();
    if socket.close(Some(CloseFrame { code: CloseCode::Away, reason })).await.is_ok() {
        // What still comes was sent before the client knew, and is not sent back.
        while let Some(Ok(_)) = socket.next().await {}
    }
}

/// The reason of a close: what follows is the number of messages that were sent back.
pub(crate) const ECHOED: &str = "echoed ";
