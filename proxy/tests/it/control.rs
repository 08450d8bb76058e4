//! A control plane that says what a test tells it to, over the real protocol and real TLS on a port
//! of its own. It can be stopped, and started again at the same address.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, future, stream};
use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use model::{
    identity::SpiffeId,
    key::{Key, Version},
    resource::Resource,
    trust::{Anchor, Trust},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use runtime::{
    tasks::Tasks,
    tls::{self, ClientAuth, Credentials, PeerVerifier},
};
use rustls_pki_types::PrivateKeyDer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use wire::{
    Encoded,
    message::{
        FromControl, FromReplica, Hello, Push, SignRequest, SignResponse, ToControl, ToReplica,
    },
    server::{Discovery, Identity, Incoming, Operations, Outgoing, Peer, Refusal, routes},
};

pub(crate) const CONTROL: &str = "spiffe://cluster.local/ns/serin-system/sa/serin-control";
pub(crate) const PROXY: &str = "spiffe://cluster.local/ns/shop/sa/catalogue";
pub(crate) const TOKEN: &str = "the pod's token";

/// The mesh's only authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The control plane.
pub(crate) struct Control {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Arc<Authority>,
    sessions: mpsc::Receiver<Session>,
    service: Arc<Service>,
    running: Tasks,
}

/// One proxy's stream.
pub(crate) struct Session {
    pub(crate) hello: Hello,
    pub(crate) peer: Peer,
    heard: mpsc::Receiver<ToControl>,
    says: mpsc::Sender<Result<FromControl<Encoded>, Refusal>>,
}

struct Service {
    authority: Arc<Authority>,
    sessions: mpsc::Sender<Session>,
    /// Whether streams are refused.
    refuses: Mutex<bool>,
    signed: Mutex<u32>,
}

impl Authority {
    pub(crate) fn new() -> Arc<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Arc::new(Self(CertifiedIssuer::self_signed(params, key).unwrap()))
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust { decision: 1, anchors: vec![Anchor(self.0.der().to_vec())] }
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn credentials(&self, id: &str) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let leaf = leaf(CertificateParams::default(), id).signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Credentials { chain: vec![leaf.der().clone()], key }
    }
}

fn leaf(mut params: CertificateParams, id: &str) -> CertificateParams {
    params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

impl Control {
    /// A control plane that is who it should be.
    pub(crate) async fn start() -> Self {
        Self::start_as(Authority::new(), CONTROL).await
    }

    /// A control plane whose certificate is of `id`.
    pub(crate) async fn start_as(authority: Arc<Authority>, id: &str) -> Self {
        let (says, sessions) = mpsc::channel(16);
        let (refuses, signed) = (Mutex::new(false), Mutex::new(0));
        let service =
            Service { authority: Arc::clone(&authority), sessions: says, refuses, signed };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut control = Self {
            address,
            authority,
            sessions,
            service: Arc::new(service),
            running: Tasks::new(),
        };
        control.serve(listener, id);
        control
    }

    /// Ends every stream and closes the port.
    pub(crate) async fn stop(&mut self) {
        self.running.shutdown(Duration::from_secs(5)).await;
        while self.sessions.try_recv().is_ok() {}
    }

    /// Opens the port again.
    pub(crate) async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.running = Tasks::new();
        self.serve(listener, CONTROL);
    }

    /// The next stream that a proxy opens.
    pub(crate) async fn session(&mut self) -> Session {
        in_time(self.sessions.recv()).await.expect("a stream")
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        *self.service.refuses.lock().unwrap() = refuses;
    }

    /// How many certificates were signed.
    pub(crate) fn signed(&self) -> u32 {
        *self.service.signed.lock().unwrap()
    }

    fn serve(&mut self, listener: TcpListener, id: &str) {
        let anchors = self.authority.trust().anchors;
        let anchors = anchors.iter().map(|anchor| anchor.0.as_slice());
        let peers = PeerVerifier::new(anchors, Arc::new(|_name| true)).unwrap();
        let credentials = self.authority.credentials(id);
        let config =
            tls::server_config(credentials, peers, ClientAuth::Optional, &[b"h2"]).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let routes =
            routes(Arc::clone(&self.service), Arc::clone(&self.service), Arc::clone(&self.service));
        let (stop, connections) = (self.running.token(), self.running.clone());
        self.running.spawn("control", async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                let served = connection(acceptor.clone(), stream, routes.clone());
                let (served, stop) = (Box::pin(served), stop.clone());
                connections.spawn("connection", async move {
                    stop.run_until_cancelled(served).await;
                });
            }
        });
    }
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, routes: Routes) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let certificates = stream.get_ref().1.peer_certificates();
    let name = certificates.map(|chain| tls::uri_san(&chain[0]).unwrap());
    let peer = Peer { identity: name.map(|name| name.parse::<SpiffeId>().unwrap()) };
    let service = tower::service_fn(move |mut request: http::Request<_>| {
        request.extensions_mut().insert(peer.clone());
        tower::ServiceExt::oneshot(routes.clone(), request)
    });
    let builder = http2::Builder::new(TokioExecutor::new());
    // How it ends is for the proxy to find out.
    drop(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await);
}

impl Session {
    pub(crate) async fn push(&self, key: Key, resource: &Resource) -> Version {
        let body = Encoded::new(resource).unwrap();
        let (version, decision) = (body.version, body.decision);
        self.say(FromControl::Push(Push { key, version, decision, body })).await;
        version
    }

    pub(crate) async fn say(&self, message: FromControl<Encoded>) {
        self.says.send(Ok(message)).await.expect("the stream is open");
    }

    /// The next message of the proxy that is no report.
    pub(crate) async fn hear(&mut self) -> ToControl {
        loop {
            match in_time(self.heard.recv()).await.expect("the stream is open") {
                ToControl::Report(_) => {}
                message => return message,
            }
        }
    }

    /// Ends the stream as a replica does that goes away.
    pub(crate) async fn cut(self) {
        let gone = Refusal::Unavailable("going away".to_owned());
        self.says.send(Err(gone)).await.expect("the stream is open");
    }

    /// Waits until the proxy is gone.
    pub(crate) async fn closed(&mut self) {
        while self.heard.recv().await.is_some() {}
    }

    /// The next report.
    pub(crate) async fn report(&mut self) -> wire::message::Report {
        loop {
            let heard = in_time(self.heard.recv()).await.expect("the stream is open");
            if let ToControl::Report(report) = heard {
                return report;
            }
        }
    }
}

impl Discovery for Service {
    async fn connect(
        &self,
        peer: Peer,
        mut incoming: Incoming<ToControl>,
    ) -> Result<Outgoing<FromControl<Encoded>>, Refusal> {
        if *self.refuses.lock().unwrap() {
            return Err(Refusal::Unauthenticated("not you".to_owned()));
        }
        let Some(Ok(ToControl::Hello(hello))) = incoming.next().await else {
            return Err(Refusal::Invalid("no Hello".to_owned()));
        };
        let ((hears, heard), (says, said)) = (mpsc::channel(1024), mpsc::channel(1024));
        let session = Session { hello, peer, heard, says };
        self.sessions.send(session).await.map_err(|gone| Refusal::Unavailable(gone.to_string()))?;
        // What the proxy says is forwarded for as long as it listens to what it is told.
        let forward = incoming.for_each(move |message| {
            let hears = hears.clone();
            async move {
                if let Ok(message) = message {
                    drop(hears.send(message).await);
                }
            }
        });
        let forward = stream::once(forward).filter_map(|()| future::ready(None));
        Ok(Box::pin(stream::select(ReceiverStream::new(said), forward)))
    }
}

impl Identity for Service {
    async fn sign(&self, _peer: Peer, request: SignRequest) -> Result<SignResponse, Refusal> {
        if request.token.0 != TOKEN {
            return Err(Refusal::Unauthenticated("no token of mine".to_owned()));
        }
        *self.signed.lock().unwrap() += 1;
        let csr = &request.csr[..];
        let mut csr = CertificateSigningRequestParams::from_der(&csr.into()).unwrap();
        csr.params = leaf(csr.params, PROXY);
        let leaf = csr.signed_by(&self.authority.0).unwrap();
        let chain = vec![Bytes::copy_from_slice(leaf.der())];
        Ok(SignResponse { chain, trust: self.authority.trust() })
    }
}

impl Operations for Service {
    async fn watch(
        &self,
        _peer: Peer,
        _incoming: Incoming<ToReplica>,
    ) -> Result<Outgoing<FromReplica>, Refusal> {
        Err(Refusal::Denied("no operator here".to_owned()))
    }
}

/// What happens soon, or never.
pub(crate) async fn in_time<T>(happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), happens).await.expect("it happens")
}
