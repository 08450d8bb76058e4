//! TLS between proxies: configurations made from the identity in use, and who is on the other side.
//!
//! A change of certificate or roots makes new configurations, with new tickets; connections that
//! stand live on. A resumed session calls no verifier, so who the peer is gets checked here after
//! every handshake, and its chain once more if the session was resumed.

use std::{
    io,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use model::identity::SpiffeId;
use runtime::{
    clock::Clock,
    tls::{self as base, ClientAuth, Credentials, PeerVerifier, Usage},
};
use rustls::{CommonState, HandshakeKind};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::{
    detect::client_hello::ClientHello,
    identity::{Identity, Material},
    tcp::stream::Prefixed,
};

/// What a connection between two proxies carries, told by its ALPN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carries {
    /// Requests, many at a time, over HTTP/2.
    Http2,
    /// Requests over HTTP/1.1, one at a time: those that become something else (upgrades, CONNECT),
    /// and those whose headers' names are to arrive as they were written.
    Http1,
    /// Bytes.
    Bytes,
}

/// Makes and accepts connections between proxies; shared by all workers.
#[derive(Debug)]
pub struct Tls {
    identity: Identity,
    clock: Clock,
    built: ArcSwapOption<Built>,
}

/// What one generation of the identity makes.
struct Built {
    generation: u64,
    since: Instant,
    id: SpiffeId,
    verifier: PeerVerifier,
    acceptor: TlsAcceptor,
    http2: TlsConnector,
    http1: TlsConnector,
    bytes: TlsConnector,
}

/// A peer that proved who it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proven {
    /// Who it is.
    pub id: SpiffeId,
    /// SHA-256 of its certificate, in hexadecimal.
    pub hash: String,
    /// Who we are to it.
    pub ours: SpiffeId,
}

/// Why there is no connection between two proxies.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No certificate was signed for us yet.
    #[error("this proxy has no certificate yet")]
    NoIdentity,
    /// The certificate we hold cannot be used.
    #[error("the certificate in use cannot be used")]
    Build(#[source] base::Error),
    /// The handshake failed.
    #[error("the handshake failed")]
    Handshake(#[source] io::Error),
    /// The handshake took too long.
    #[error("the handshake took too long")]
    Slow,
    /// The peer's chain or name is not good.
    #[error("the peer did not prove who it is")]
    Peer(#[source] base::Error),
    /// The peer is of the mesh and not the one expected.
    #[error("the peer is {found}, not {expected}")]
    Unexpected {
        /// Who it is.
        found: Box<SpiffeId>,
        /// Who it should have been.
        expected: Box<SpiffeId>,
    },
    /// The peer does not speak as a proxy of this mesh.
    #[error("the peer does not speak as a proxy of the mesh")]
    Protocol,
}

impl Error {
    /// Whether the peer went away by itself. A proxy does so when the client for which it dialled
    /// in advance turns out to speak first.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match self {
            Self::Handshake(error) => {
                matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
            }
            Self::NoIdentity
            | Self::Build(_)
            | Self::Slow
            | Self::Peer(_)
            | Self::Unexpected { .. }
            | Self::Protocol => false,
        }
    }
}

impl Carries {
    /// The ALPN protocol.
    #[must_use]
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"serin-h2",
            Self::Http1 => b"serin-h1",
            Self::Bytes => b"serin-tcp",
        }
    }

    fn from_alpn(protocol: &[u8]) -> Option<Self> {
        ALL.into_iter().find(|carries| carries.alpn() == protocol)
    }
}

/// Whether a ClientHello is one of our proxies'. Everything else, TLS or not, is the application's
/// own.
#[must_use]
pub fn is_of_the_mesh(hello: &ClientHello) -> bool {
    hello.protocols.iter().any(|protocol| Carries::from_alpn(protocol).is_some())
}

impl Tls {
    /// Over the identity in use, whichever it is at the time.
    #[must_use]
    pub const fn new(identity: Identity, clock: Clock) -> Self {
        Self { identity, clock, built: ArcSwapOption::const_empty() }
    }

    /// Completes the server's side of a handshake.
    ///
    /// # Errors
    /// If there is no certificate to show, or the peer has none of the mesh.
    pub async fn accept(
        &self,
        stream: Prefixed,
    ) -> Result<(Box<TlsStream<Prefixed>>, Carries, Proven), Error> {
        let built = self.built()?;
        let accepted = timeout(HANDSHAKE_LIMIT, built.acceptor.accept(stream)).await;
        let stream = accepted.map_err(|_elapsed| Error::Slow)?.map_err(Error::Handshake)?;
        let (_, session) = stream.get_ref();
        let proven = built.prove(session, Usage::Client, self.now())?;
        let carries = carried(session)?;
        Ok((Box::new(stream.into()), carries, proven))
    }

    /// Completes the client's side of a handshake with the workload `expected`.
    ///
    /// # Errors
    /// If there is no certificate to show, or the peer is not `expected`.
    pub async fn connect(
        &self,
        stream: Prefixed,
        carries: Carries,
        expected: &SpiffeId,
    ) -> Result<Box<TlsStream<Prefixed>>, Error> {
        let built = self.built()?;
        let name = ServerName::try_from(expected.server_name())
            .map_err(|error| Error::Handshake(io::Error::other(error)))?;
        let connected = timeout(HANDSHAKE_LIMIT, built.connector(carries).connect(name, stream));
        let connected = connected.await.map_err(|_elapsed| Error::Slow)?;
        let stream = connected.map_err(Error::Handshake)?;
        let (_, session) = stream.get_ref();
        let Proven { id: found, .. } = built.prove(session, Usage::Server, self.now())?;
        if found != *expected {
            let (found, expected) = (Box::new(found), Box::new(expected.clone()));
            return Err(Error::Unexpected { found, expected });
        }
        if carried(session)? != carries {
            return Err(Error::Protocol);
        }
        Ok(Box::new(stream.into()))
    }

    /// The configurations of the identity in use. Made anew when it changed, and now and then for
    /// new tickets.
    fn built(&self) -> Result<Arc<Built>, Error> {
        let material = self.identity.current().ok_or(Error::NoIdentity)?;
        if let Some(built) = self.built.load_full()
            && built.generation == material.generation
            && built.since.elapsed() < TICKETS
        {
            return Ok(built);
        }
        // Two workers that build at a time build the same; the last one's tickets win.
        let built = Arc::new(Built::new(&material).map_err(Error::Build)?);
        self.built.store(Some(Arc::clone(&built)));
        Ok(built)
    }

    fn now(&self) -> UnixTime {
        let since = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        UnixTime::since_unix_epoch(since)
    }
}

impl Built {
    fn new(material: &Material) -> Result<Self, base::Error> {
        let Material { id, chain, key, trust, generation } = material;
        let domain = id.trust_domain().clone();
        let of_our_domain =
            move |name: &str| name.parse::<SpiffeId>().is_ok_and(|id| *id.trust_domain() == domain);
        let anchors = trust.anchors.iter().map(|anchor| anchor.0.as_slice());
        let verifier = PeerVerifier::new(anchors, Arc::new(of_our_domain))?;
        let ours = Credentials { chain: chain.clone(), key: key.clone_key() };
        let offered = ALL.map(Carries::alpn);
        let server =
            base::server_config(ours.clone(), verifier.clone(), ClientAuth::Required, &offered)?;
        let client = base::client_config(Some(ours), verifier.clone(), &[])?;
        // The copies share one store of sessions: what is carried is agreed anew in a resumed
        // handshake.
        let connector = |carries: Carries| {
            let mut config = client.clone();
            config.alpn_protocols = vec![carries.alpn().to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        Ok(Self {
            generation: *generation,
            since: Instant::now(),
            id: id.clone(),
            verifier,
            acceptor: TlsAcceptor::from(Arc::new(server)),
            http2: connector(Carries::Http2),
            http1: connector(Carries::Http1),
            bytes: connector(Carries::Bytes),
        })
    }

    const fn connector(&self, carries: Carries) -> &TlsConnector {
        match carries {
            Carries::Http2 => &self.http2,
            Carries::Http1 => &self.http1,
            Carries::Bytes => &self.bytes,
        }
    }

    /// Who the peer is. A full handshake has had its chain verified; a resumed one only by the
    /// handshake it resumes, which may have been long ago.
    fn prove(&self, session: &CommonState, usage: Usage, now: UnixTime) -> Result<Proven, Error> {
        let chain = session.peer_certificates().unwrap_or_default();
        let leaf = chain.first().ok_or(Error::Peer(base::Error::NoCertificate))?;
        let name = match session.handshake_kind() {
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest) => {
                base::uri_san(leaf)
            }
            Some(_) | None => self.verifier.check(chain, usage, now),
        };
        let name = name.map_err(Error::Peer)?;
        let stranger = |_why| Error::Peer(base::Error::Unexpected { name: name.clone() });
        let id: SpiffeId = name.parse().map_err(stranger)?;
        Ok(Proven { id, hash: fingerprint(leaf), ours: self.id.clone() })
    }
}

fn carried(session: &CommonState) -> Result<Carries, Error> {
    session.alpn_protocol().and_then(Carries::from_alpn).ok_or(Error::Protocol)
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    hex::encode(Sha256::digest(certificate))
}

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { generation, id, .. } = self;
        f.debug_struct("Built")
            .field("generation", generation)
            .field("id", id)
            .finish_non_exhaustive()
    }
}

const ALL: [Carries; 3] = [Carries::Http2, Carries::Http1, Carries::Bytes];

/// How long a handshake may take: a round trip or two, and a peer that is busy.
pub(crate) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// How long tickets are of use: no resumed session rests on a full handshake older than twice this.
const TICKETS: Duration = Duration::from_secs(30 * 60);
