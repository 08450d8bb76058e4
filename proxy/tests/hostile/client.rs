//! A client that writes whatever bytes it likes.

use std::{net::SocketAddr, time::Duration};

use lab::HEAD_LIMIT;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// What came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    /// Whether the other side closed, in order or not.
    pub(crate) closed: bool,
}

/// Writes `bytes` and listens until `enough` says so, or the other side closes, or has nothing to
/// say any more.
pub(crate) async fn say(to: SocketAddr, bytes: &[u8], enough: impl Fn(&[u8]) -> bool) -> Heard {
    say_on(&mut TcpStream::connect(to).await.unwrap(), bytes, enough).await
}

/// The same, on a connection that there is.
pub(crate) async fn say_on(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    bytes: &[u8],
    enough: impl Fn(&[u8]) -> bool,
) -> Heard {
    let (mut reader, mut writer) = tokio::io::split(io);
    let mut heard = Heard::default();
    let listening = async {
        let mut piece = vec![0; 16 * 1024];
        while !enough(&heard.bytes) {
            match timeout(SILENCE, reader.read(&mut piece)).await {
                Ok(Ok(read)) if read > 0 => heard.bytes.extend_from_slice(&piece[..read]),
                Ok(_) => {
                    heard.closed = true;
                    return;
                }
                Err(_silent) => return,
            }
        }
    };
    let writing = async {
        // The other side may close before it has read everything.
        let written = async {
            writer.write_all(bytes).await?;
            writer.flush().await
        };
        drop(written.await);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = listening => {}
        () = writing => {}
    }
    heard
}

/// Longer than anything that the proxy waits for before it answers.
const SILENCE: Duration = HEAD_LIMIT.saturating_mul(3);
