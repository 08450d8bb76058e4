//! One connection: handshake, check of the peer, HTTP/2 until either side is done.

use std::{sync::Arc, time::Duration};

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use model::identity::SpiffeId;
use runtime::tls::Usage;
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::util::MapRequest;
use tracing::{debug, info};
use wire::server::Peer;

use super::{
    Server,
    certificate::{Shown, unix_time},
};

/// A connection that was accepted.
pub(super) struct Connection {
    server: Server,
}

/// Who is at the other end, and the proof.
struct Proved {
    peer: Peer,
    chain: Vec<CertificateDer<'static>>,
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
        let identity = self.check(&shown, &chain)?;
        Ok((stream, Proved { peer: Peer { identity }, chain }))
    }

    /// The identity that a chain proves under what is trusted now; nothing if there is no chain.
    fn check(
        &self,
        shown: &Shown,
        chain: &[CertificateDer<'static>],
    ) -> Result<Option<SpiffeId>, String> {
        if chain.is_empty() {
            return Ok(None);
        }
        let now = unix_time(&self.server.clock);
        let name = shown.verifier.check(chain, Usage::Client, now);
        let name = name.map_err(|error| error.to_string())?;
        name.parse().map(Some).map_err(|error: model::identity::Error| error.to_string())
    }

    async fn speak(&self, stream: TlsStream<TcpStream>, Proved { peer, chain }: Proved) {
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
        loop {
            tokio::select! {
                biased;
                ended = serving.as_mut() => return log(ended),
                () = stop.cancelled() => break,
                Ok(()) = identities.changed() => {
                    let shown = identities.borrow_and_update().clone();
                    let checked = shown.map(|shown| self.check(&shown, &chain));
                    if let Some(Err(error)) = checked {
                        info!(error, "a peer is not trusted any more");
                        return;
                    }
                }
            }
        }
        serving.as_mut().graceful_shutdown();
        match tokio::time::timeout(GOODBYE, serving).await {
            Ok(ended) => log(ended),
            Err(_elapsed) => debug!("connection cut at the deadline"),
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

/// How long streams may go on after the GOAWAY.
const GOODBYE: Duration = Duration::from_secs(5);

const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(10);
const STREAMS: u32 = 16;
const HEADER_BYTES: u32 = 16 * 1024;
const SEND_BYTES: usize = 64 * 1024;
