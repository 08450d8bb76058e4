//! TCP without HTTP: an echo, a server that speaks first, and the client that times both.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{self, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    flags, output,
    serve::{self, ServeArgs},
    tasks::Tasks,
};

/// Flags of `testkit tcp-echo`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  testkit tcp-echo --port 9000")]
pub struct EchoArgs {
    /// Where
    #[command(flatten)]
    pub serve: ServeArgs,
    /// At SIGTERM end connections behind a whole line, instead of waiting for their clients
    #[arg(long)]
    pub say_goodbye: bool,
}

/// Flags of `testkit tcp-server-first`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  testkit tcp-server-first --port 3306 --banner hello")]
pub struct ServerFirstArgs {
    /// Where
    #[command(flatten)]
    pub serve: ServeArgs,
    /// The line that greets every client
    #[arg(long, default_value = "220 testkit ready")]
    pub banner: String,
}

/// Flags of `testkit tcp-client`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  testkit tcp-client --address echo:9000 --bytes 1MiB
  testkit tcp-client --address mail:25 --server-first")]
pub struct ClientArgs {
    /// HOST:PORT of the server
    #[arg(long)]
    pub address: String,
    /// Wait for the line of the server before saying anything
    #[arg(long)]
    pub server_first: bool,
    /// How much to send, and to expect back
    #[arg(long, default_value = "4096", value_parser = flags::size)]
    pub bytes: u64,
    /// How often, each time on a connection of its own
    #[arg(long, default_value = "1")]
    pub count: u32,
    /// How long each time may take
    #[arg(long, default_value = "10s", value_parser = flags::duration)]
    pub timeout: Duration,
}

/// What the client saw of one connection.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Timed {
    /// Until it was connected.
    pub connect_us: u64,
    /// From there until the server's first line was complete, where the server speaks first.
    pub banner_us: Option<u64>,
    /// That line.
    pub banner: Option<String>,
    /// From the first byte sent to the last byte back.
    pub echo_us: u64,
    /// How many bytes came back, all of them as they were sent.
    pub bytes: u64,
}

/// Serves the echo until `stop`, then until its clients are done.
///
/// # Errors
/// When a port cannot be bound, or a client outlasted the patience.
pub async fn echo(args: EchoArgs, stop: CancellationToken) -> Result<(), serve::Error> {
    let leaving = if args.say_goodbye { stop.clone() } else { CancellationToken::new() };
    let handle = move |stream, _peer| send_back(stream, None, leaving.clone());
    serve::connections("tcp", &args.serve, &Tasks::default(), stop, handle).await
}

/// Serves the greeting echo until `stop`, then until its clients are done.
///
/// # Errors
/// When a port cannot be bound, or a client outlasted the patience.
pub async fn server_first(
    args: ServerFirstArgs,
    stop: CancellationToken,
) -> Result<(), serve::Error> {
    let banner = args.banner;
    let handle = move |stream, _peer| {
        send_back(stream, Some(format!("{banner}\n")), CancellationToken::new())
    };
    serve::connections("tcp", &args.serve, &Tasks::default(), stop, handle).await
}

/// Sends everything back until the client has ended its side, or this server is leaving and no line
/// is half sent; then ends the other.
async fn send_back(mut stream: TcpStream, greeting: Option<String>, leaving: CancellationToken) {
    let (mut reader, mut writer) = stream.split();
    let echoed = async {
        if let Some(greeting) = greeting {
            writer.write_all(greeting.as_bytes()).await?;
        }
        copy_lines(&mut reader, &mut writer, &leaving).await?;
        writer.shutdown().await?;
        // What a client has sent since is not answered. It is read all the same: closing over it
        // would be a reset, which may overtake what was answered.
        io::copy(&mut reader, &mut io::sink()).await
    };
    // A client that breaks the connection is the only one who could be told.
    drop(echoed.await);
}

/// Copies until the end, or the first end of a line after the server began to leave.
async fn copy_lines(
    reader: &mut (impl io::AsyncRead + Unpin),
    writer: &mut (impl io::AsyncWrite + Unpin),
    leaving: &CancellationToken,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut is_between_lines = true;
    loop {
        let length = tokio::select! {
            biased;
            length = reader.read(&mut buffer) => length?,
            () = leaving.cancelled(), if is_between_lines => return Ok(()),
        };
        let Some(got) = buffer.get(..length).filter(|got| !got.is_empty()) else {
            return Ok(());
        };
        writer.write_all(got).await?;
        is_between_lines = got.ends_with(b"\n");
    }
}

/// Runs the client; prints one line per connection.
///
/// # Errors
/// When a connection fails, takes too long, or brings back anything but what was sent.
pub async fn client(args: ClientArgs) -> anyhow::Result<()> {
    for _ in 0..args.count {
        let timed = timeout(args.timeout, converse(&args)).await??;
        output::line(&timed)?;
    }
    Ok(())
}

async fn converse(args: &ClientArgs) -> anyhow::Result<Timed> {
    let start = Instant::now();
    let stream = TcpStream::connect(&args.address).await?;
    stream.set_nodelay(true)?;
    let connect_us = micros(start);
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let connected = Instant::now();
    let (mut banner, mut banner_us) = (None, None);
    if args.server_first {
        let mut line = String::new();
        reader.read_line(&mut line).await?;
        anyhow::ensure!(line.ends_with('\n'), "the server closed before it had spoken");
        banner = Some(line.trim_end().to_owned());
        banner_us = Some(micros(connected));
    }
    let spoken = Instant::now();
    let send = async {
        io::copy(&mut io::AsyncReadExt::take(io::repeat(SENT), args.bytes), &mut writer).await?;
        writer.shutdown().await
    };
    let (sent, bytes) = tokio::join!(send, count_back(&mut reader));
    sent?;
    let bytes = bytes?;
    anyhow::ensure!(bytes == args.bytes, "sent {} bytes and got {bytes} back", args.bytes);
    Ok(Timed { connect_us, banner_us, banner, echo_us: micros(spoken), bytes })
}

/// Every byte sent is this one.
const SENT: u8 = b's';

async fn count_back(reader: &mut (impl io::AsyncRead + Unpin)) -> anyhow::Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0_u64;
    loop {
        let length = reader.read(&mut buffer).await?;
        let Some(got) = buffer.get(..length).filter(|got| !got.is_empty()) else {
            return Ok(bytes);
        };
        anyhow::ensure!(got.iter().all(|byte| *byte == SENT), "got back what was not sent");
        bytes = bytes.saturating_add(length as u64);
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
