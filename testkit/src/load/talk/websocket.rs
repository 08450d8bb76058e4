//! Texts over a WebSocket, each sent back before the next.

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::frame::coding::CloseCode},
};
use tokio_util::sync::CancellationToken;

use super::{End, Failed, Part, Script, closed, truncated};
use crate::{
    load::{outcome::Kind, tally::Tally},
    server::websocket::ECHOED,
};

type Socket = WebSocketStream<TcpStream>;

pub(super) async fn part(
    script: &Script,
    count: u32,
    tally: &Tally,
    stop: &CancellationToken,
) -> Result<Part, Failed> {
    let mut socket = open(script, tally).await?;
    let mut ticks = script.ticks();
    for answered in 0..count {
        tokio::select! {
            biased;
            () = stop.cancelled() => return end(script, socket, answered).await,
            unasked = socket.next() => return left(script, unasked, socket, answered).await,
            _ = ticks.tick() => {}
        }
        let message = Message::text(format!("message {answered}"));
        let sent = socket.send(message.clone()).await;
        sent.map_err(|error| closed(format!("{error} after {answered} answers")))?;
        match script.within("answered", socket.next()).await? {
            Some(Ok(answer)) if answer == message => {}
            other => return left(script, other, socket, answered).await,
        }
    }
    end(script, socket, count).await
}

async fn open(script: &Script, tally: &Tally) -> Result<Socket, Failed> {
    let target = (script.target.host.as_str(), script.target.port);
    let connected = script.within("connected", TcpStream::connect(target)).await?;
    let stream = connected.map_err(|error| (Kind::Connect, error.to_string()))?;
    tally.connected();
    stream.set_nodelay(true).map_err(closed)?;
    let url = format!("ws://{}{}", script.target.authority, script.url.path());
    // The handshake is big, and short-lived.
    let handshake = Box::pin(tokio_tungstenite::client_async(url, stream));
    match script.within("upgraded", handshake).await? {
        Ok((socket, _response)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => {
            Err((Kind::Status, response.status().as_u16().to_string()))
        }
        Err(error) => Err(closed(error)),
    }
}

/// Closes, and waits until the server has closed as well.
async fn end(script: &Script, mut socket: Socket, answered: u32) -> Result<Part, Failed> {
    socket.close(None).await.map_err(truncated)?;
    last_of(script, &mut socket).await?;
    Ok(Part { answered, end: End::Ours })
}

/// Only the close of a leaving server may come where no message was due, or instead of one, and it
/// says how many it has answered.
async fn left(
    script: &Script,
    seen: Option<tungstenite::Result<Message>>,
    mut socket: Socket,
    answered: u32,
) -> Result<Part, Failed> {
    let frame = match seen {
        Some(Ok(Message::Close(Some(frame)))) => frame,
        Some(Ok(other)) => return Err(truncated(format!("{other:?} after {answered} answers"))),
        Some(Err(error)) => return Err(closed(format!("{error} after {answered} answers"))),
        None => return Err(closed(format!("no close after {answered} answers"))),
    };
    if frame.code != CloseCode::Away || frame.reason.as_str() != format!("{ECHOED}{answered}") {
        return Err(truncated(format!("{frame:?} after {answered} answers")));
    }
    last_of(script, &mut socket).await?;
    Ok(Part { answered, end: End::Theirs })
}

/// Until the connection has ended, and not broken.
async fn last_of(script: &Script, socket: &mut Socket) -> Result<(), Failed> {
    while let Some(last) = script.within("ended", socket.next()).await? {
        last.map_err(truncated)?;
    }
    Ok(())
}
