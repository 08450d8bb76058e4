//! Kept connections of HTTP/1.1 to one endpoint. The one used last is used next, so that what a
//! quiet time leaves over can be closed.

use std::{cell::RefCell, time::Duration};

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tracing::debug;

use super::connect::Error;
use crate::{
    http::{LONGEST_HEAD, body::RequestBody},
    tcp::stream::Stream,
};

/// Connections that wait for their next request.
#[derive(Debug, Default)]
pub struct Http1Pool {
    idle: RefCell<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

impl Http1Pool {
    /// A connection that is ready for a request, if one is kept.
    pub fn take(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while let Some(kept) = at.checked_sub(1).and_then(|last| idle.get(last)) {
            at -= 1;
            if kept.sender.is_closed() {
                drop(idle.remove(at));
            } else if kept.sender.is_ready() {
                return Some(idle.remove(at).sender);
            }
        }
        None
    }

    /// Keeps a connection whose response has ended. It may still be busy with the end of its
    /// request.
    pub fn give(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle.borrow_mut();
        if !sender.is_closed() && idle.len() < KEPT {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    pub(super) fn sweep(&self, now: Instant, limit: Duration) {
        let is_fresh = |kept: &Idle| !kept.sender.is_closed() && now - kept.since < limit;
        self.idle.borrow_mut().retain(is_fresh);
    }
}

/// Begins HTTP/1.1 on a new connection.
///
/// # Errors
/// If hyper does not take it.
pub async fn begin(stream: Stream) -> Result<SendRequest<RequestBody>, Error> {
    let mut builder = Builder::new();
    builder.max_buf_size(LONGEST_HEAD as usize);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(Error::Http)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.with_upgrades().await {
            debug!(%error, "connection to an HTTP/1.1 server ended");
        }
    });
    Ok(sender)
}

/// How many connections are kept to one endpoint.
const KEPT: usize = 256;
