//! One connection: handshake, check of the peer, HTTP/2 until either side is done.

use std::{sync::Arc, time::Duration};

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use model::identity::SpiffeId;
use runtime::tls::Usage;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::util::MapRequest;
use tracing::{debug, info};
use wire::server::Peer;

use super::{
    Server,
    certificate::{Identities, Shown, unix_time},
};

/// A connection that was accepted.
pub(super) struct Connection {
    server: Server,
}

/// Who is at the other end, and the proof.
struct Proved {
    peer: Peer,
    chain: Vec<CertificateDer<'static>>,
    at: UnixTime,
}

impl Connection {
    pub(super) const fn new(server: Server) -> Self {
        Self { server }
    }

    pub(super) async fn serve(self, socket: TcpStream) {
        let handshake = tokio::time::timeout(HANDSHAKE, self.handshake(socket)).await;
        let outcome = match &handshake {
            Ok(Ok(_)) => "done",
            Ok(Err(_)) => "refused",
            Err(_) => "late",
        };
        self.server.meter.handshake(outcome);
        match handshake {
            Ok(Ok((stream, proved))) => Box::pin(self.speak(stream, proved)).await,
            Ok(Err(error)) => debug!(error, "handshake failed"),
            Err(_elapsed) => debug!("handshake took too long"),
        }
    }

    /// A resumed session calls no verifier, so the peer is checked here whatever the handshake did.
    async fn handshake(&self, socket: TcpStream) -> Result<(TlsStream<TcpStream>, Proved), String> {
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let shown = self.server.identities.borrow().clone().ok_or("no certificate yet")?;
        let acceptor = TlsAcceptor::from(Arc::clone(&shown.config));
        let stream = acceptor.accept(socket).await.map_err(|error| error.to_string())?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain: Vec<_> = chain.iter().map(|der| der.clone().into_owned()).collect();
        let at = unix_time(&self.server.clock);
        let identity = check(&shown, &chain, at)?;
        Ok((stream, Proved { peer: Peer { identity }, chain, at }))
    }

    async fn speak(&self, stream: TlsStream<TcpStream>, Proved { peer, chain, at }: Proved) {
        let stop = self.server.tasks.token();
        let mut identities = self.server.identities.clone();
        identities.mark_unchanged();
        let routes = MapRequest::new(self.server.routes.clone(), move |mut request: Request| {
            request.extensions_mut().insert(peer.clone());
            request
        });
        let serving =
            builder().serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            biased;
            ended = serving.as_mut() => return log(ended),
            () = stop.cancelled() => {}
            error = distrusted(&mut identities, &chain, at) => {
                info!(error, "a peer is not trusted any more");
                return;
            }
        }
        serving.as_mut().graceful_shutdown();
        match tokio::time::timeout(GOODBYE, serving).await {
            Ok(ended) => log(ended),
            Err(_elapsed) => debug!("connection cut at the deadline"),
        }
    }
}

/// The identity that a chain proves under what is trusted now; nothing if there is no chain.
fn check(
    shown: &Shown,
    chain: &[CertificateDer<'static>],
    at: UnixTime,
) -> Result<Option<SpiffeId>, String> {
    if chain.is_empty() {
        return Ok(None);
    }
    let name = shown.verifier.check(chain, Usage::Client, at).map_err(|error| error.to_string())?;
    name.parse().map(Some).map_err(|error: model::identity::Error| error.to_string())
}

/// Waits until the root that a peer was let in by is trusted no more. Its certificate may have
/// ended meanwhile: that is looked at when it connects. Peers of one root leave one after another.
async fn distrusted(
    identities: &mut Identities,
    chain: &[CertificateDer<'static>],
    at: UnixTime,
) -> String {
    loop {
        if identities.changed().await.is_err() {
            return std::future::pending().await;
        }
        let shown = identities.borrow_and_update().clone();
        if let Some(Err(error)) = shown.map(|shown| check(&shown, chain, at)) {
            tokio::time::sleep(SPREAD.mul_f64(rand::random())).await;
            return error;
        }
    }
}

type Request = http::Request<hyper::body::Incoming>;

fn log(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        debug!(%error, "connection ended");
    }
}

/// Few streams a connection, small buffers, and a ping now and then: most connections are idle.
fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES)
        .max_send_buf_size(SEND_BYTES);
    builder
}

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Within this time all peers of a root that is trusted no more have been disconnected.
const SPREAD: Duration = Duration::from_secs(2);

/// How long streams may go on after the GOAWAY.
const GOODBYE: Duration = Duration::from_secs(5);

const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(10);
const STREAMS: u32 = 16;
const HEADER_BYTES: u32 = 16 * 1024;
const SEND_BYTES: usize = 64 * 1024;
