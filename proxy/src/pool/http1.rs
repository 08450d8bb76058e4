//! Kept connections of HTTP/1.1 to one endpoint. The one used last is used next, so that what a
//! quiet time leaves over can be closed.

use std::{cell::RefCell, time::Duration};

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tracing::debug;

use super::{age::Age, connect::Error, unheard::Unheard};
use crate::{
    http::{LONGEST_HEAD, body::RequestBody},
    tcp::stream::Stream,
};

/// Connections that wait for their next request.
#[derive(Debug, Default)]
pub struct Http1Pool {
    idle: RefCell<Vec<Idle>>,
}

/// A connection, and how long it has been in use.
#[derive(Debug)]
pub struct Http1Connection {
    /// What sends on it.
    pub sender: SendRequest<RequestBody>,
    keeps_case: bool,
    age: Age,
}

#[derive(Debug)]
struct Idle {
    connection: Http1Connection,
    since: Instant,
}

impl Http1Pool {
    /// A connection that is ready for a request, if one is kept. Names of headers in an answer are
    /// kept as they were written, or are not, by whoever opened it.
    pub fn take(&self, keeps_case: bool) -> Option<Http1Connection> {
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while let Some(kept) = at.checked_sub(1).and_then(|last| idle.get(last)) {
            at -= 1;
            if kept.connection.sender.is_closed() {
                drop(idle.remove(at));
            } else if kept.connection.keeps_case == keeps_case && kept.connection.sender.is_ready()
            {
                return Some(idle.remove(at).connection);
            }
        }
        None
    }

    /// Keeps a connection whose response has ended, unless it has been used for long enough. It may
    /// still be busy with the end of its request.
    pub fn give(&self, connection: Http1Connection, since: Instant) {
        let mut idle = self.idle.borrow_mut();
        connection.age.count();
        let is_good = !connection.sender.is_closed() && !connection.age.is_over(since);
        if is_good && idle.len() < KEPT {
            idle.push(Idle { connection, since });
        }
    }

    pub(super) fn sweep(&self, now: Instant, limit: Duration) {
        let is_fresh = |kept: &Idle| {
            let Idle { connection, since } = kept;
            let is_over = connection.sender.is_closed() || connection.age.is_over(now);
            !is_over && now - *since < limit
        };
        self.idle.borrow_mut().retain(is_fresh);
    }
}

/// Begins HTTP/1.1 on a new connection, on which names of headers are kept as they were written if
/// `keeps_case` says so.
///
/// # Errors
/// If hyper does not take it.
pub async fn begin(stream: Stream, keeps_case: bool) -> Result<Http1Connection, Error> {
    let mut builder = Builder::new();
    builder.max_buf_size(LONGEST_HEAD as usize).preserve_header_case(keeps_case);
    let (sender, connection) =
        builder.handshake(TokioIo::new(Unheard(stream))).await.map_err(Error::Http)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.with_upgrades().await {
            debug!(%error, "connection to an HTTP/1.1 server ended");
        }
    });
    Ok(Http1Connection { sender, keeps_case, age: Age::new(Instant::now()) })
}

/// How many connections are kept to one endpoint.
const KEPT: usize = 256;
