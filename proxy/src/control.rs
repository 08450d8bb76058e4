//! How the control plane is reached: by name, at any of the addresses behind it, over TLS that
//! proves it is the control plane of this mesh. One dial makes one connection; who needs it again
//! dials again.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use model::{
    identity::{SpiffeId, TrustDomain},
    trust::Trust,
};
use rand::seq::SliceRandom as _;
use runtime::tls::{self, Credentials, PeerVerifier};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

mod backoff;

pub use self::backoff::Backoff;

/// Where the control plane is and who it must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Control {
    /// `<host>:<port>`.
    pub address: String,
    /// What its certificate must say.
    pub id: SpiffeId,
}

/// Why the control plane was not reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its name leads to no address.
    #[error("failed to resolve {address}")]
    Resolve {
        /// The name.
        address: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// None of its addresses answered as it should; the last one's failure.
    #[error("failed to connect to {address}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// What went wrong: no connection, or a peer that is somebody else.
        source: io::Error,
    },
    /// The roots or our certificate cannot be used.
    #[error("failed to set up TLS")]
    Tls(#[from] tls::Error),
    /// The peer does not speak HTTP/2.
    #[error("failed to open an HTTP/2 connection")]
    Http(#[from] tonic::transport::Error),
}

impl Control {
    /// The control plane of `domain`, at `address`.
    ///
    /// # Errors
    /// If `namespace` cannot be one.
    pub fn new(
        address: String,
        domain: TrustDomain,
        namespace: &str,
    ) -> Result<Self, model::identity::Error> {
        Ok(Self { address, id: SpiffeId::new(domain, namespace, SERVICE_ACCOUNT)? })
    }

    /// Connects to one of the control plane's addresses, drawn at random, and to the next if it
    /// fails.
    pub(crate) async fn dial(
        &self,
        credentials: Option<Credentials>,
        trust: &Trust,
    ) -> Result<Channel, Error> {
        let connector = self.connector(credentials, trust)?;
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut failed_at = None;
        for address in self.addresses().await? {
            match tokio::time::timeout(PATIENCE, self.handshake(&connector, address)).await {
                Ok(Ok(stream)) => return Box::pin(channel(stream)).await,
                Ok(Err(error)) => failed = error,
                Err(elapsed) => failed = elapsed.into(),
            }
            failed_at = Some(address);
        }
        Err(match failed_at {
            Some(address) => Error::Connect { address, source: failed },
            None => Error::Resolve { address: self.address.clone(), source: failed },
        })
    }

    fn connector(
        &self,
        credentials: Option<Credentials>,
        trust: &Trust,
    ) -> Result<TlsConnector, Error> {
        let id = self.id.to_string();
        let anchors = trust.anchors.iter().map(|anchor| anchor.0.as_slice());
        let peers = PeerVerifier::new(anchors, Arc::new(move |name| name == id))?;
        let config = tls::client_config(credentials, peers, &[b"h2"])?;
        Ok(TlsConnector::from(Arc::new(config)))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let unresolved = |source| Error::Resolve { address: self.address.clone(), source };
        let look_up = tokio::net::lookup_host(&self.address);
        let found = tokio::time::timeout(PATIENCE, look_up).await;
        let found = found.map_err(|elapsed| unresolved(elapsed.into()))?.map_err(unresolved)?;
        let mut addresses: Vec<_> = found.collect();
        addresses.shuffle(&mut rand::rng());
        addresses.truncate(MOST_ADDRESSES);
        Ok(addresses)
    }

    async fn handshake(
        &self,
        connector: &TlsConnector,
        address: SocketAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.id.server_name()).map_err(io::Error::other)?;
        connector.connect(name, stream).await
    }
}

/// A channel over one connection; when the connection is gone, so is the channel.
async fn channel(stream: TlsStream<TcpStream>) -> Result<Channel, Error> {
    let mut stream = Some(stream);
    let connect_once = service_fn(move |_uri| {
        let stream = stream.take().map(TokioIo::new);
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    let endpoint = Endpoint::from_static("https://control.mesh.serin")
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(PATIENCE)
        .keep_alive_while_idle(true)
        .connect_timeout(PATIENCE);
    Ok(Box::pin(endpoint.connect_with_connector(connect_once)).await?)
}

/// The service account that the control plane runs as.
const SERVICE_ACCOUNT: &str = "serin-control";
/// How long each step of reaching one address may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a silent connection is tried, so that a control plane that is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Addresses that are tried before it is time to wait.
const MOST_ADDRESSES: usize = 8;
