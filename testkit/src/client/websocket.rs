//! `ws-client`: messages over a WebSocket, each expected back before the next.

use std::time::Duration;

use clap::Args;
use futures::{SinkExt as _, StreamExt as _};
use http::Uri;
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpStream,
    time::{Instant, interval, timeout},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::{flags, link::Target, output};

/// Flags of `testkit ws-client`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  testkit ws-client --url ws://web:8080/ws --count 60 --every 1s"
)]
pub struct WebSocketArgs {
    /// The /ws of a testkit server
    #[arg(long)]
    pub url: Uri,
    /// How many messages
    #[arg(long, default_value = "10")]
    pub count: u32,
    /// How long from one to the next
    #[arg(long, default_value = "10ms", value_parser = flags::duration)]
    pub every: Duration,
    /// How long the handshake and each echo may take
    #[arg(long, default_value = "10s", value_parser = flags::duration)]
    pub timeout: Duration,
}

/// How it went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Echoed {
    /// How many messages came back as they were sent: all of them.
    pub messages: u32,
    /// How long it took.
    pub seconds: f64,
}

/// Runs the conversation.
///
/// # Errors
/// When the server refuses, breaks off, or sends back anything else.
pub async fn run(args: &WebSocketArgs) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut socket = timeout(args.timeout, open(args)).await??;
    let mut ticks = interval(args.every.max(Duration::from_millis(1)));
    for number in 0..args.count {
        ticks.tick().await;
        let message = Message::text(format!("message {number}"));
        socket.send(message.clone()).await?;
        match timeout(args.timeout, socket.next()).await? {
            Some(echo) => anyhow::ensure!(echo? == message, "message {number} came back changed"),
            None => anyhow::bail!("the server closed after {number} messages"),
        }
    }
    socket.close(None).await?;
    // Until the server has closed as well.
    while let Some(Ok(_)) = timeout(args.timeout, socket.next()).await? {}
    output::line(&Echoed { messages: args.count, seconds: start.elapsed().as_secs_f64() })?;
    Ok(())
}

async fn open(args: &WebSocketArgs) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let target = Target::of(&args.url)?;
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{}{}", target.authority, args.url.path());
    // The handshake is big, and short-lived.
    let handshake = Box::pin(tokio_tungstenite::client_async(url, stream));
    let (socket, _response) = handshake.await?;
    Ok(socket)
}
