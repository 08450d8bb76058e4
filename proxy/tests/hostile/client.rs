//! A client that writes whatever bytes it likes.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use lab::HEAD_LIMIT;

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
    let (mut reader, mut writer) = TcpStream::connect(to).await.unwrap().into_split();
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
    // The other side may close before it has read everything.
    let writing = async { drop(writer.write_all(bytes).await) };
    tokio::select! {
        () = listening => {}
        () = async { writing.await; std::future::pending::<()>().await } => {}
    }
    heard
}

/// Longer than anything is that the proxy waits for.
const SILENCE: Duration = HEAD_LIMIT.saturating_mul(3);
