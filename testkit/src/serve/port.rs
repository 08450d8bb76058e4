//! One listening port: accepts until told to stop, and then closes without losing anybody whom the
//! kernel has already let in.

use std::{net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::tasks::Tasks;

/// How long accepting rests after an error, such as too many open files.
const REST: Duration = Duration::from_millis(20);
/// The longest queue that tokio's listeners ask for: clients that keep coming must not keep a
/// closing port open.
const QUEUE: usize = 1024;

/// Hands every connection to `handle`, in a task of its own, until `stop`.
pub(super) async fn accept_until<H, F>(
    listener: TcpListener,
    stop: CancellationToken,
    tasks: Tasks,
    handle: H,
) where
    H: Fn(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => tasks.spawn(handle(prepare(stream), peer)),
            Err(_exhausted) => tokio::time::sleep(REST).await,
        }
    }
    for (stream, peer) in close(listener) {
        tasks.spawn(handle(prepare(stream), peer));
    }
}

/// Closes the port and returns the connections that stood in its queue: to their clients they are
/// open, and a request may be on its way in them.
fn close(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut queued = Vec::new();
    let Ok(listener) = listener.into_std() else { return queued };
    for _ in 0..QUEUE {
        let Ok((stream, peer)) = listener.accept() else { break };
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            queued.push((stream, peer));
        }
    }
    queued
}

/// Small answers must not wait for acknowledgements; a socket that cannot be told so still works.
fn prepare(stream: TcpStream) -> TcpStream {
    drop(stream.set_nodelay(true));
    stream
}
