//! Lines over TCP, each sent back before the next, and a half-close at the end.

use std::io;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_util::sync::CancellationToken;

use super::{End, Failed, Part, Script, closed, truncated};
use crate::load::{outcome::Kind, tally::Tally};

pub(super) async fn part(
    script: &Script,
    count: u32,
    tally: &Tally,
    stop: &CancellationToken,
) -> Result<Part, Failed> {
    let target = (script.target.host.as_str(), script.target.port);
    let connected = script.within("connected", TcpStream::connect(target)).await?;
    let stream = connected.map_err(|error| (Kind::Connect, error.to_string()))?;
    tally.connected();
    stream.set_nodelay(true).map_err(closed)?;
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut ticks = script.ticks();
    for answered in 0..count {
        tokio::select! {
            biased;
            () = stop.cancelled() => return end(script, lines, writer, answered).await,
            unasked = lines.next_line() => return left(unasked, writer, answered).await,
            _ = ticks.tick() => {}
        }
        let line = format!("line {answered}");
        let sent = writer.write_all(format!("{line}\n").as_bytes()).await;
        sent.map_err(|error| closed(format!("{error} after {answered} answers")))?;
        match script.within("answered", lines.next_line()).await? {
            Ok(Some(answer)) if answer == line => {}
            other => return left(other, writer, answered).await,
        }
    }
    end(script, lines, writer, count).await
}

/// Ends our side first; then the server is to end its own.
async fn end(
    script: &Script,
    mut lines: Lines<BufReader<OwnedReadHalf>>,
    mut writer: OwnedWriteHalf,
    answered: u32,
) -> Result<Part, Failed> {
    writer.shutdown().await.map_err(truncated)?;
    match script.within("ended", lines.next_line()).await? {
        Ok(None) => Ok(Part { answered, end: End::Ours }),
        Ok(Some(line)) => Err(truncated(format!("'{line}' came after the end"))),
        Err(error) => Err(truncated(error)),
    }
}

/// Only the end of the stream may come where no line was due, or instead of one. A server that
/// ends it before it has answered anything is none, as far as a client can tell.
async fn left(
    seen: io::Result<Option<String>>,
    mut writer: OwnedWriteHalf,
    answered: u32,
) -> Result<Part, Failed> {
    match seen {
        Ok(None) if answered > 0 => {
            writer.shutdown().await.map_err(truncated)?;
            Ok(Part { answered, end: End::Theirs })
        }
        Ok(None) => Err(closed("ended before the first answer")),
        Ok(Some(line)) => Err(truncated(format!("'{line}' after {answered} answers"))),
        Err(error) => Err(closed(format!("{error} after {answered} answers"))),
    }
}
