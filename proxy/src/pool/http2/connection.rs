//! One connection of HTTP/2 to a server: begun, driven for as long as anybody needs it, and asked
//! now and then whether there is still someone on the other side.

use std::{cell::Cell, convert::Infallible, fmt, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{
    Ping, PingPong, SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use tokio_util::io::InspectReader;
use tracing::debug;

use crate::{
    http::{CONNECTION_WINDOW, LONGEST_HEAD, STREAM_WINDOW, STREAMS},
    pool::{
        Endpoint, Transport,
        age::Age,
        connect::{Error, open},
        unheard::Unheard,
    },
    tls::{Carries, Tls},
};

/// A connection that requests share.
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    /// What a further connection is opened with.
    pub(super) tls: Arc<Tls>,
    /// How many requests are under way.
    pub(super) streams: Rc<Cell<u32>>,
    /// How many it takes at a time, as far as the server has said.
    pub(super) places: Cell<u32>,
    /// Whether the server has answered anything: then what it says of its limits has been heard.
    settled: Cell<bool>,
    /// Since when there are none.
    pub(super) idle_since: Cell<Instant>,
    /// How long it has been used.
    pub(super) age: Age,
    is_over: Rc<Cell<bool>>,
    /// When this is gone, what drives the connection looks whether it is still needed.
    _needed: oneshot::Sender<Infallible>,
}

impl Connection {
    /// Whether it takes no more requests.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Sends a request's head. If that fails nothing was sent, and it may be tried again.
    pub(super) fn send(
        &self,
        head: Request<()>,
        has_ended: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        // A clone for each: a sender remembers the request that took the server's last place, and
        // what it remembers is not reset when its client goes away.
        let sent = self.sender.clone().send_request(head, has_ended);
        if sent.as_ref().is_err_and(|error| error.is_io() || error.is_go_away()) {
            self.is_over.set(true);
        }
        sent
    }

    /// Whether a request may be more than the server takes at a time, which it had no chance to
    /// say.
    pub(super) fn may_be_too_much(&self) -> bool {
        !self.settled.get() && self.streams.get() > 1
    }

    /// The server has answered, or refused: what it has said of its limits holds from now on. How
    /// many places there are, the first time.
    pub(super) fn settle(&self) -> Option<u32> {
        if self.settled.replace(true) {
            return None;
        }
        let most = self.sender.current_max_send_streams();
        let places = u32::try_from(most).unwrap_or(u32::MAX).clamp(1, STREAMS);
        self.places.set(places);
        Some(places)
    }
}

/// Connects, and begins HTTP/2.
pub(super) async fn connect(endpoint: &Endpoint, tls: &Arc<Tls>) -> Result<Connection, Error> {
    let stream = open(tls, endpoint, Carries::Http2).await?;
    let heard = Rc::new(Cell::new(false));
    let hears = Rc::clone(&heard);
    let stream = InspectReader::new(stream, move |bytes: &[u8]| {
        if !bytes.is_empty() {
            hears.set(true);
        }
    });
    let (sender, mut connection) = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(UNTIL_TOLD)
        .max_send_buffer_size(STREAM_WINDOW as usize)
        // What was on its way when clients gave up is not held against the server.
        .max_concurrent_reset_streams(STREAMS as usize * 4)
        .max_header_list_size(LONGEST_HEAD)
        .enable_push(false)
        .handshake::<_, Bytes>(Unheard(stream))
        .await
        .map_err(Error::Http2)?;
    let (needed, unneeded) = oneshot::channel();
    let (streams, is_over) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    // Servers of others hold pings against their clients: gRPC's allow one in five minutes.
    let is_peer = matches!(endpoint.transport, Transport::Mesh(_));
    let pings = if is_peer { connection.ping_pong() } else { None };
    let (watched, over) = (Rc::clone(&streams), Rc::clone(&is_over));
    tokio::task::spawn_local(async move {
        let silent = async {
            match pings {
                Some(pings) => falls_silent(pings, &watched, &heard).await,
                None => std::future::pending().await,
            }
        };
        drive(connection, silent, unneeded).await;
        over.set(true);
    });
    let now = Instant::now();
    Ok(Connection {
        sender,
        tls: Arc::clone(tls),
        streams,
        places: Cell::new(endpoint.http2.learnt.get().unwrap_or(STREAMS)),
        settled: Cell::new(false),
        idle_since: Cell::new(now),
        age: Age::new(now),
        is_over,
        _needed: needed,
    })
}

/// Reads and writes until the connection has ended, nobody needs it, or the other side is silent.
async fn drive(
    mut connection: h2::client::Connection<impl AsyncRead + AsyncWrite + Unpin, Bytes>,
    silent: impl Future<Output = ()>,
    mut unneeded: oneshot::Receiver<Infallible>,
) {
    let mut silent = std::pin::pin!(silent);
    let mut is_needed = true;
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => {
                if let Err(error) = ended {
                    debug!(%error, "connection to an HTTP/2 server ended");
                }
                return;
            }
            () = &mut silent => {
                return debug!("an HTTP/2 server does not answer any more");
            }
            // It ends by itself once it has no requests, and has to be asked once more to see it.
            _gone = &mut unneeded, if is_needed => is_needed = false,
        }
    }
}

/// Ends when nothing came for a while, and no answer to a ping either, while requests were under
/// way. A ping is sent only where nothing comes: behind what is on its way it could be late.
async fn falls_silent(mut pings: PingPong, streams: &Cell<u32>, heard: &Cell<bool>) {
    loop {
        sleep(PING).await;
        if heard.take() || streams.get() == 0 {
            continue;
        }
        match timeout(PING_LIMIT, pings.ping(Ping::opaque())).await {
            Ok(Ok(_pong)) => {}
            // The connection is about to say so itself.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_elapsed) if heard.get() => {}
            Err(_elapsed) => return,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").field("streams", &self.streams).finish_non_exhaustive()
    }
}

/// How many requests are sent before the server has said how many it takes at a time: what RFC
/// 9113, section 6.5.2, recommends that it take at least.
const UNTIL_TOLD: usize = 100;
/// How often a connection with requests under way is asked whether it is still there, and how long
/// it may take.
const PING: Duration = Duration::from_secs(20);
const PING_LIMIT: Duration = Duration::from_secs(10);
