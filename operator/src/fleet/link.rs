//! The stream to one control replica: decisions out, what it knows in; opened again whenever it
//! ends.

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures::StreamExt as _;
use hyper_util::rt::TokioIo;
use model::{decision::Decision, identity::SpiffeId, trust::Fingerprint};
use runtime::tls::{self, Credentials, PeerVerifier};
use rustls_pki_types::ServerName;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_stream::wrappers::WatchStream;
use tonic::transport::{Channel, Endpoint};
use tracing::{debug, info};
use wire::{client::OperationsClient, message::ToReplica};

use super::merge::Told;

/// Whom to speak to, as whom.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    /// The pod's uid.
    pub(crate) uid: Arc<str>,
    /// The pod's address.
    pub(crate) address: IpAddr,
}

/// What an operator is to control replicas, and they to it.
#[derive(Clone, Debug)]
pub(crate) struct Passport {
    /// The operator's certificate.
    pub(crate) credentials: Credentials,
    /// The roots.
    pub(crate) anchors: Vec<Vec<u8>>,
    /// Who a control replica must be.
    pub(crate) control: SpiffeId,
    /// What a rotation knows the certificate and the roots by.
    pub(crate) held: model::rotation::Held,
}

/// The decisions to be followed; nothing until all are known, because what a set lacks is over.
pub(crate) type Decisions = watch::Receiver<Option<Arc<Vec<Decision>>>>;

/// What ended a stream, or kept it from being opened.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("no certificate yet")]
    NoPassport,
    #[error("cannot connect: {0}")]
    Connect(tonic::transport::Error),
    #[error("no answer in time")]
    Late,
    #[error("nothing heard for {} seconds", SILENCE.as_secs())]
    Silent,
    #[error(transparent)]
    Tls(#[from] tls::Error),
    #[error(transparent)]
    Call(#[from] wire::client::Error),
    #[error("the replica closed the stream")]
    Closed,
}

/// Watches `replica` for as long as the future is polled, and tells what happens.
pub(crate) async fn watch(
    replica: Replica,
    passports: watch::Receiver<Option<Arc<Passport>>>,
    decisions: Decisions,
    told: mpsc::Sender<(Arc<str>, Told)>,
) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let passport = passports.borrow().clone();
        let mut opened = false;
        let ended = stream(&replica, passport, &decisions, &told, &mut opened).await;
        if opened {
            pause = SHORTEST_PAUSE;
            info!(address = %replica.address, %ended, "stream to control replica ended");
        } else {
            debug!(address = %replica.address, %ended, "control replica not reached");
        }
        if told.send((Arc::clone(&replica.uid), Told::Closed)).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn stream(
    replica: &Replica,
    passport: Option<Arc<Passport>>,
    decisions: &Decisions,
    told: &mpsc::Sender<(Arc<str>, Told)>,
    opened: &mut bool,
) -> Ended {
    let outcome: Result<(), Ended> = async {
        let passport = passport.ok_or(Ended::NoPassport)?;
        let channel = Box::pin(connect(replica.address, &passport)).await?;
        let outgoing = WatchStream::new(decisions.clone()).filter_map(|decisions| async {
            let decisions = decisions?.as_ref().clone();
            Some(ToReplica { decisions, ..ToReplica::default() })
        });
        let mut client = OperationsClient::new(channel);
        let open = timeout(OPEN, client.watch(outgoing)).await;
        let mut incoming = open.map_err(|_elapsed| Ended::Late)??;
        *opened = true;
        info!(address = %replica.address, "stream to control replica opened");
        tell(replica, Told::Opened, told).await?;
        loop {
            let next = timeout(SILENCE, incoming.next()).await;
            let message = next.map_err(|_elapsed| Ended::Silent)?.ok_or(Ended::Closed)?;
            match message {
                Ok(message) => tell(replica, Told::Said(Box::new(message)), told).await?,
                Err(error) if error.is_final() => return Err(error.into()),
                Err(error) => debug!(%error, "a message was not read"),
            }
        }
    }
    .await;
    outcome.err().unwrap_or(Ended::Closed)
}

async fn tell(
    replica: &Replica,
    what: Told,
    told: &mpsc::Sender<(Arc<str>, Told)>,
) -> Result<(), Ended> {
    told.send((Arc::clone(&replica.uid), what)).await.map_err(|_closed| Ended::Closed)
}

/// The issuer of the certificate that a control replica serves with now, if it can be asked.
pub(crate) async fn serving_issuer(address: IpAddr, passport: &Passport) -> Option<Fingerprint> {
    let connector = connector(passport).ok()?;
    let stream = timeout(OPEN, handshake(address, connector)).await.ok()?.ok()?;
    let (_, session) = stream.get_ref();
    session.peer_certificates()?.get(1).map(|issuer| Fingerprint::of(issuer))
}

async fn connect(address: IpAddr, passport: &Passport) -> Result<Channel, Ended> {
    let connector = connector(passport)?;
    let dial = tower::service_fn(move |_uri: http::Uri| {
        let connector = connector.clone();
        async move { handshake(address, connector).await.map(TokioIo::new) }
    });
    // The URI only fills in the requests' authority; `dial` decides where they go.
    let endpoint = Endpoint::from_static("http://serin-control")
        .connect_timeout(OPEN)
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(5));
    let connected = timeout(OPEN, endpoint.connect_with_connector(dial)).await;
    connected.map_err(|_elapsed| Ended::Late)?.map_err(Ended::Connect)
}

async fn handshake(
    address: IpAddr,
    connector: TlsConnector,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect((address, api::names::CONTROL_PORT)).await?;
    socket.set_nodelay(true)?;
    connector.connect(ServerName::IpAddress(address.into()), socket).await
}

/// Checks who answers by its SPIFFE id: a pod's address proves nothing.
fn connector(passport: &Passport) -> Result<TlsConnector, tls::Error> {
    let expected = passport.control.to_string();
    let anchors = passport.anchors.iter().map(Vec::as_slice);
    let verifier = PeerVerifier::new(anchors, Arc::new(move |name| name == expected))?;
    let mut config = tls::client_config(Some(passport.credentials.clone()), verifier, &[b"h2"])?;
    // A session that is resumed is not verified again.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

const OPEN: Duration = Duration::from_secs(3);
/// Replicas send a heartbeat every second.
const SILENCE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
