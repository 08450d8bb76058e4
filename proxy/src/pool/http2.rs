//! Connections of HTTP/2 to one endpoint, shared by many requests at a time.
//!
//! The oldest connection with a free place is used first: what is sent together is written
//! together. A further one is opened when fewer places are free than half a connection has, so that
//! a place is free by the time it is needed. Whoever finds none stands in line, and the first in
//! line gets the next place, be it given back or on a new connection. Connections are opened one at
//! a time, and no more of them than [`CONNECTIONS`].

mod connection;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use h2::{SendStream, client::ResponseFuture};
use http::Request;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tracing::debug;

use self::connection::{Connection, connect};
use super::{Endpoint, connect::Error, places::QUEUE_LIMIT};
use crate::{
    http::STREAMS,
    tls::{self, Tls},
};

/// Connections to one endpoint.
#[derive(Debug, Default)]
pub struct Http2Pool {
    connections: RefCell<Vec<Rc<Connection>>>,
    /// Whether a connection is being opened.
    opening: Cell<bool>,
    /// How many requests at a time the server takes, as it said on the connection that was last to
    /// be answered on for the first time: a further one is given no more until it says otherwise.
    /// Forgotten when there is no connection left.
    learnt: Cell<Option<u32>>,
    line: RefCell<VecDeque<Waiting>>,
}

/// Somebody who waits for a place, or for the reason why there is none.
type Waiting = oneshot::Sender<Result<Http2Lease, Rc<Error>>>;

/// A place on a connection, until it is dropped.
#[derive(Debug)]
pub struct Http2Lease {
    connection: Rc<Connection>,
    endpoint: Rc<Endpoint>,
}

impl Http2Lease {
    /// Where it leads.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address
    }

    /// Sends a request's head, and with it the end of its body if `has_ended`.
    ///
    /// # Errors
    /// That nothing was sent, because the connection takes no more requests or the head cannot be
    /// written.
    pub fn send(
        &self,
        head: Request<()>,
        has_ended: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.connection.send(head, has_ended)
    }

    /// Whether a request may be more than the server takes at a time, which it had no chance to
    /// say.
    #[must_use]
    pub fn may_be_too_much(&self) -> bool {
        self.connection.may_be_too_much()
    }

    /// The server has answered, or refused.
    pub fn settle(&self) {
        if let Some(places) = self.connection.settle() {
            self.endpoint.http2.learnt.set(Some(places));
        }
    }

    fn take(connection: &Rc<Connection>, endpoint: &Rc<Endpoint>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        connection.age.count();
        Self { connection: Rc::clone(connection), endpoint: Rc::clone(endpoint) }
    }
}

impl Drop for Http2Lease {
    fn drop(&mut self) {
        let Self { connection, endpoint } = self;
        connection.streams.set(connection.streams.get().saturating_sub(1));
        connection.idle_since.set(Instant::now());
        endpoint.http2.serve_line(endpoint, &connection.tls);
    }
}

impl Http2Pool {
    /// A place on a connection, opening one if need be. Whoever loses patience leaves the attempt
    /// to connect to those who come later; nobody waits longer than one such attempt may take, nor
    /// than [`QUEUE_LIMIT`] for others to end.
    ///
    /// # Errors
    /// If no connection can be opened, or no place was to be had in time.
    pub async fn take(
        endpoint: &Rc<Endpoint>,
        tls: &Arc<Tls>,
        patience: Option<Duration>,
    ) -> Result<Http2Lease, Rc<Error>> {
        let pool = &endpoint.http2;
        if let Some(lease) = pool.place(endpoint) {
            pool.open_ahead(endpoint, tls);
            return Ok(lease);
        }
        let turn = pool.stand_in_line().ok_or_else(|| Rc::new(Error::Crowded))?;
        pool.open_further(endpoint, tls);
        // There are connections, and others have all places on them; or there is none yet.
        let limit = if pool.is_alive() {
            QUEUE_LIMIT
        } else {
            endpoint.connect_limit.get() + tls::HANDSHAKE_LIMIT
        };
        let limit = patience.map_or(limit, |patience| patience.min(limit));
        match timeout(limit, turn).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) if patience.is_none() => Err(Rc::new(Error::Crowded)),
            Ok(Err(_)) | Err(_) => Err(Rc::new(Error::Slow)),
        }
    }

    /// A free place, on the first connection that has one.
    fn place(&self, endpoint: &Rc<Endpoint>) -> Option<Http2Lease> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.is_over());
        let has_place = |it: &&Rc<Connection>| it.streams.get() < it.places.get();
        connections.iter().find(has_place).map(|connection| Http2Lease::take(connection, endpoint))
    }

    /// Opens a further connection when places become few.
    fn open_ahead(&self, endpoint: &Rc<Endpoint>, tls: &Arc<Tls>) {
        let free = |it: &Rc<Connection>| it.places.get().saturating_sub(it.streams.get());
        // Nearly always the last one has enough; counting all would cost each request.
        let connections = self.connections.borrow();
        let mut left = connections.last().map_or(FEW, |last| last.places.get().div_ceil(2));
        let plenty = connections.iter().rev().any(|connection| {
            left = left.saturating_sub(free(connection));
            left == 0
        });
        drop(connections);
        if !plenty {
            self.open_further(endpoint, tls);
        }
    }

    /// Opens a further connection, unless one is being opened or there are as many as may be.
    fn open_further(&self, endpoint: &Rc<Endpoint>, tls: &Arc<Tls>) {
        if self.connections.borrow().len() >= CONNECTIONS || self.opening.replace(true) {
            return;
        }
        if self.connections.borrow().is_empty() {
            self.learnt.set(None);
        }
        let (endpoint, tls) = (Rc::clone(endpoint), Arc::clone(tls));
        tokio::task::spawn_local(async move {
            let opened = connect(&endpoint, &tls).await;
            let pool = &endpoint.http2;
            pool.opening.set(false);
            match opened {
                Ok(connection) => {
                    pool.connections.borrow_mut().push(Rc::new(connection));
                    pool.serve_line(&endpoint, &tls);
                }
                // Those who wait get what is given back on the others.
                Err(error) if pool.is_alive() => debug!(%error, "no further connection"),
                Err(error) => pool.turn_away(&Rc::new(error)),
            }
        });
    }

    /// The last place in line, if it is not too long.
    fn stand_in_line(&self) -> Option<oneshot::Receiver<Result<Http2Lease, Rc<Error>>>> {
        let mut line = self.line.borrow_mut();
        if line.len() >= LINE {
            line.retain(|waiting| !waiting.is_closed());
        }
        if line.len() >= LINE {
            return None;
        }
        let (waiting, turn) = oneshot::channel();
        line.push_back(waiting);
        Some(turn)
    }

    /// Gives free places to those who have waited longest; opens a further connection if there are
    /// not enough.
    fn serve_line(&self, endpoint: &Rc<Endpoint>, tls: &Arc<Tls>) {
        while let Some(waiting) = self.first_in_line() {
            let Some(lease) = self.place(endpoint) else {
                self.line.borrow_mut().push_front(waiting);
                return self.open_further(endpoint, tls);
            };
            // Whoever is first in line was still there a moment ago, on this same thread.
            drop(waiting.send(Ok(lease)));
        }
    }

    fn is_alive(&self) -> bool {
        self.connections.borrow().iter().any(|connection| !connection.is_over())
    }

    fn turn_away(&self, error: &Rc<Error>) {
        while let Some(waiting) = self.first_in_line() {
            drop(waiting.send(Err(Rc::clone(error))));
        }
    }

    fn first_in_line(&self) -> Option<Waiting> {
        let mut line = self.line.borrow_mut();
        loop {
            let waiting = line.pop_front()?;
            if !waiting.is_closed() {
                return Some(waiting);
            }
        }
    }

    /// Whether the first connection is still being opened.
    pub(super) fn is_opening(&self) -> bool {
        self.connections.borrow().is_empty() && self.opening.get()
    }

    pub(super) fn sweep(&self, now: Instant, limit: Duration) {
        let in_use = |connection: &Rc<Connection>| {
            let fresh = now - connection.idle_since.get() < limit;
            // What is under way on one that is no longer listed goes on to its end.
            let is_over = connection.is_over() || connection.age.is_over(now);
            !is_over && (connection.streams.get() > 0 || fresh)
        };
        self.connections.borrow_mut().retain(in_use);
    }
}

/// How many connections are opened to one endpoint at most.
const CONNECTIONS: usize = 64;
/// With fewer free places than these a further connection is opened.
const FEW: u32 = STREAMS / 2;
/// How many may wait for a place on them: as many as there are places.
const LINE: usize = CONNECTIONS * STREAMS as usize;

#[cfg(test)]
mod tests;
