//! Connections of HTTP/2 to one endpoint, shared by many requests at a time.
//!
//! A further connection is opened when the last has half of its places taken, so that a place is
//! free by the time it is needed; all who wait for a connection wait for the same one.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{sync::watch, time::Instant};
use tracing::debug;

use super::{
    Endpoint,
    connect::{Error, open, within},
};
use crate::{
    http::{
        CONNECTION_WINDOW, LONGEST_HEAD, OnThisWorker, STREAM_WINDOW, STREAMS, body::RequestBody,
    },
    tls::{Carries, Tls},
};

/// Connections to one endpoint.
#[derive(Debug, Default)]
pub struct Http2Pool {
    connections: RefCell<Vec<Rc<Connection>>>,
    opening: RefCell<Option<Opening>>,
}

/// An attempt to connect that all who need a connection wait for; in the end it holds why it
/// failed, if it did.
type Opening = watch::Receiver<Option<Rc<Error>>>;

#[derive(Debug)]
struct Connection {
    sender: SendRequest<RequestBody>,
    streams: Cell<u32>,
    idle_since: Cell<Instant>,
}

/// A place on a connection, until it is dropped.
#[derive(Debug)]
pub struct Http2Lease(Rc<Connection>);

impl Http2Lease {
    /// What sends on this connection.
    #[must_use]
    pub fn sender(&self) -> SendRequest<RequestBody> {
        self.0.sender.clone()
    }

    fn take(connection: &Rc<Connection>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self(Rc::clone(connection))
    }
}

impl Drop for Http2Lease {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
    }
}

impl Http2Pool {
    /// A place on a connection, opening one if need be. Whoever loses patience leaves the attempt
    /// to connect to those who come later.
    ///
    /// # Errors
    /// If no connection can be opened.
    pub async fn take(
        endpoint: &Rc<Endpoint>,
        tls: &Arc<Tls>,
        patience: Option<Duration>,
    ) -> Result<Http2Lease, Rc<Error>> {
        let pool = &endpoint.http2;
        // Each round waits for one attempt to connect, which has a limit of its own.
        for _ in 0..ROUNDS {
            if let Some(lease) = pool.place(endpoint, tls) {
                return Ok(lease);
            }
            let mut opening = pool.opening(endpoint, tls);
            // The sender is dropped when the attempt has ended well, and says so when it has not.
            drop(within(patience, opening.changed()).await.map_err(Rc::new)?);
            if let Some(error) = &*opening.borrow() {
                return Err(Rc::clone(error));
            }
        }
        Err(Rc::new(Error::Crowded))
    }

    /// A free place. Begins to open a further connection when places become few.
    fn place(&self, endpoint: &Rc<Endpoint>, tls: &Arc<Tls>) -> Option<Http2Lease> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.sender.is_closed());
        let places = |connection: &&Rc<Connection>| connection.streams.get() < STREAMS;
        let roomy = connections.iter().find(|connection| connection.streams.get() < STREAMS / 2);
        let best =
            roomy.or_else(|| connections.iter().filter(places).min_by_key(|c| c.streams.get()));
        let lease = best.map(Http2Lease::take);
        let few = roomy.is_none() && !connections.is_empty() && connections.len() < CONNECTIONS;
        drop(connections);
        if few {
            drop(self.opening(endpoint, tls));
        }
        lease
    }

    /// The attempt to connect that is under way, or a new one.
    fn opening(&self, endpoint: &Rc<Endpoint>, tls: &Arc<Tls>) -> Opening {
        if let Some(opening) = &*self.opening.borrow() {
            return opening.clone();
        }
        let (ended, opening) = watch::channel(None);
        *self.opening.borrow_mut() = Some(opening.clone());
        let (endpoint, tls) = (Rc::clone(endpoint), Arc::clone(tls));
        tokio::task::spawn_local(async move {
            let opened = connect(&endpoint, &tls).await;
            let pool = &endpoint.http2;
            *pool.opening.borrow_mut() = None;
            match opened {
                Ok(connection) => pool.connections.borrow_mut().push(Rc::new(connection)),
                Err(error) => drop(ended.send_replace(Some(Rc::new(error)))),
            }
        });
        opening
    }

    /// Whether the first connection is still being opened.
    pub(super) fn is_opening(&self) -> bool {
        self.connections.borrow().is_empty() && self.opening.borrow().is_some()
    }

    pub(super) fn sweep(&self, now: Instant, limit: Duration) {
        let in_use = |connection: &Rc<Connection>| {
            let fresh = now - connection.idle_since.get() < limit;
            !connection.sender.is_closed() && (connection.streams.get() > 0 || fresh)
        };
        self.connections.borrow_mut().retain(in_use);
    }
}

async fn connect(endpoint: &Endpoint, tls: &Tls) -> Result<Connection, Error> {
    let stream = open(tls, endpoint, Carries::Http2).await?;
    let mut builder = Builder::new(OnThisWorker);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .max_header_list_size(LONGEST_HEAD)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING_LIMIT);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(Error::Http)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            debug!(%error, "connection to an HTTP/2 server ended");
        }
    });
    let (streams, idle_since) = (Cell::new(0), Cell::new(Instant::now()));
    Ok(Connection { sender, streams, idle_since })
}

/// How many connections are opened to one endpoint at most.
const CONNECTIONS: usize = 64;
/// How many attempts to connect a request waits for: the first may serve others.
const ROUNDS: usize = 8;
/// How often a connection with requests under way is asked whether it is still there, and how long
/// it may take.
const PING: Duration = Duration::from_secs(20);
const PING_LIMIT: Duration = Duration::from_secs(10);
