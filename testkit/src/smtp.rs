//! Mail as far as a mesh has to carry it: a server that takes every letter and keeps none, and a
//! client that sends one (RFC 5321).

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{self, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    flags, output,
    serve::{self, ServeArgs},
    tasks::Tasks,
};

/// Flags of `testkit smtp-server`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  testkit smtp-server --port 2525")]
pub struct SmtpServerArgs {
    /// Where
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Flags of `testkit smtp-client`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  testkit smtp-client --address mail:25 --count 3")]
pub struct SmtpClientArgs {
    /// HOST:PORT of the server
    #[arg(long)]
    pub address: String,
    /// How many letters, each on a connection of its own
    #[arg(long, default_value = "1")]
    pub count: u32,
    /// How long each may take
    #[arg(long, default_value = "10s", value_parser = flags::duration)]
    pub timeout: Duration,
}

/// What became of the letters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mailed {
    /// How many the server took.
    pub letters: u32,
}

/// Serves until `stop`, then until its clients are done.
///
/// # Errors
/// When a port cannot be bound, or a client outlasted the patience.
pub async fn server(args: SmtpServerArgs, stop: CancellationToken) -> Result<(), serve::Error> {
    let handle = |stream, _peer| async move {
        // A client that breaks the connection is the only one who could be told.
        drop(take_letters(stream).await);
    };
    serve::connections("smtp", &args.serve, &Tasks::default(), stop, handle).await
}

async fn take_letters(mut stream: TcpStream) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 testkit ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let reply: &[u8] = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" | "MAIL" | "RCPT" | "NOOP" | "RSET" => b"250 as you say\r\n",
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                while lines.next_line().await?.is_some_and(|line| line != ".") {}
                b"250 taken\r\n"
            }
            "QUIT" => return writer.write_all(b"221 good bye\r\n").await,
            _ => b"502 what?\r\n",
        };
        writer.write_all(reply).await?;
    }
    Ok(())
}

/// Sends the letters and prints how many were taken.
///
/// # Errors
/// When the server does not take one, or takes too long.
pub async fn client(args: &SmtpClientArgs) -> anyhow::Result<()> {
    for _ in 0..args.count {
        timeout(args.timeout, send_letter(&args.address)).await??;
    }
    output::line(&Mailed { letters: args.count })?;
    Ok(())
}

async fn send_letter(address: &str) -> anyhow::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    expect(&mut stream, "220").await?;
    for (command, reply) in [
        ("EHLO client", "250"),
        ("MAIL FROM:<canary@shop>", "250"),
        ("RCPT TO:<miner@shop>", "250"),
        ("DATA", "354"),
        ("Subject: air\r\n\r\nStill good.\r\n.", "250"),
        ("QUIT", "221"),
    ] {
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        expect(&mut stream, reply).await.with_context(|| command.to_owned())?;
    }
    Ok(())
}

async fn expect(
    stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
    code: &str,
) -> anyhow::Result<()> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    anyhow::ensure!(line.starts_with(code), "{code} was expected, not {line:?}");
    Ok(())
}
