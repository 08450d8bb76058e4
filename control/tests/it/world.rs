//! A replica of control with everything real but the cluster: a view, tokens and a CA Secret in
//! memory.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use control::{
    ca::Authority,
    meter::Meter,
    operations::{Decisions, Operations},
    report::Registry,
    serve::{self, Server, certificate::Serving},
    session::{
        Sessions, Sources,
        body::{Bodies, Most},
    },
    sign::Signer,
    token::{Claims, Error, Tokens},
    view::{Asker, PodFacts, View},
};
use futures::{StreamExt as _, future::BoxFuture};
use hyper_util::rt::TokioIo;
use model::{identity::SpiffeId, key::Key, resource::Resource, trust::Fingerprint};
use runtime::{
    clock::Clock,
    tasks::Tasks,
    telemetry::Metrics,
    tls::{self, PeerVerifier},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use wire::{
    client::{self, DiscoveryClient, OperationsClient},
    message::{Ack, FromControl, FromReplica, Held, Hello, Push, ToControl, ToReplica, Token},
};

use crate::authority::Root;

pub(crate) const CONTROL: &str = "spiffe://cluster.local/ns/serin-system/sa/serin-control";
pub(crate) const OPERATOR: &str = "spiffe://cluster.local/ns/serin-system/sa/serin-operator";
pub(crate) const WEB: &str = "spiffe://cluster.local/ns/shop/sa/web";

/// A cluster of keys, the same for every asker, and pods that no test needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster(pub(crate) BTreeMap<Key, Resource>);

impl View for Cluster {
    fn resolve(&self, asker: &Asker, key: &Key) -> Option<Resource> {
        assert!(!asker.pod_uid.is_empty());
        self.0.get(key).cloned()
    }

    fn pod(&self, _uid: &str) -> Option<PodFacts> {
        None
    }
}

/// The token `<namespace>/<account>/<pod>` proves that; the pod's uid is `uid-<pod>`.
#[derive(Debug)]
struct TokensByName;

impl Tokens for TokensByName {
    fn review<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, Result<Claims, Error>> {
        let parts: Vec<&str> = token.0.split('/').collect();
        let claims = match parts.as_slice() {
            [namespace, account, pod] => Ok(Claims {
                namespace: (*namespace).into(),
                service_account: (*account).into(),
                pod_name: (*pod).into(),
                pod_uid: format!("uid-{pod}").into(),
            }),
            _ => Err(Error::Refused("not one of ours".into())),
        };
        Box::pin(std::future::ready(claims))
    }
}

pub(crate) struct World {
    pub(crate) root: Root,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: Tasks,
    pub(crate) decisions: Decisions,
    pub(crate) authorities: watch::Sender<Option<Arc<Authority>>>,
    views: watch::Sender<Arc<dyn View>>,
    cluster: Mutex<Cluster>,
}

impl World {
    /// A replica that knows nothing yet.
    pub(crate) async fn new() -> Self {
        Self::with(Root::new(), Cluster::default()).await
    }

    /// Another replica of the same mesh.
    pub(crate) async fn beside(&self) -> Self {
        let cluster = self.cluster.lock().unwrap().clone();
        Self::with(self.root.clone(), cluster).await
    }

    async fn with(root: Root, cluster: Cluster) -> Self {
        let (tasks, metrics, clock) = (Tasks::new(), Metrics::new(), Clock::system());
        let meter = Meter::new(&metrics);
        let authority = Authority::read(&root.secret(1)).unwrap();
        let (authorities, authority) = watch::channel(Some(Arc::new(authority)));
        let first: Arc<dyn View> = Arc::new(cluster.clone());
        let (views, view) = watch::channel(first);
        let registry = Registry::start(&tasks);
        let tokens: Arc<dyn Tokens> = Arc::new(TokensByName);
        let places = Arc::new(Semaphore::new(8));
        let domain = "cluster.local".parse::<model::identity::TrustDomain>().unwrap();
        let sessions = Sessions {
            trust_domain: domain.clone(),
            sources: Sources {
                views: view,
                authorities: authority.clone(),
                bodies: Arc::new(Bodies::new(Most::default(), meter.encoded.clone())),
                meter: meter.clone(),
            },
            tokens: Arc::clone(&tokens),
            places: Arc::clone(&places),
            registry: registry.clone(),
            tasks: tasks.clone(),
        };
        let (trust_domain, lifetime) = (domain, Duration::from_secs(3600));
        let signer = Signer {
            trust_domain,
            lifetime,
            authorities: authority.clone(),
            tokens,
            clock: clock.clone(),
            meter: meter.clone(),
            places,
        };
        let operator = OPERATOR.parse().unwrap();
        let (operations, decisions) =
            Operations::new(operator, registry, tasks.clone(), meter.clone());
        let identity = CONTROL.parse().unwrap();
        let serving = Serving { identity, lifetime, authorities: authority, clock: clock.clone() };
        let routes =
            wire::server::routes(Arc::new(sessions), Arc::new(signer), Arc::new(operations));
        let mut identities = serve::certificate::keep(serving, &tasks);
        identities.wait_for(Option::is_some).await.unwrap();
        let server = Server { routes, identities, clock, meter, tasks: tasks.clone() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tasks.spawn("listener", serve::serve(listener, server));
        let cluster = Mutex::new(cluster);
        Self { root, address, metrics, tasks, decisions, authorities, views, cluster }
    }

    /// Who signs leaves.
    pub(crate) fn issuer(&self) -> Option<Fingerprint> {
        self.authorities.borrow().as_ref().map(|authority| authority.issuer.fingerprint())
    }

    /// Changes the cluster; sessions see it as a new view.
    pub(crate) fn change(&self, change: impl FnOnce(&mut BTreeMap<Key, Resource>)) {
        let mut cluster = self.cluster.lock().unwrap();
        change(&mut cluster.0);
        self.views.send_replace(Arc::new(cluster.clone()));
    }

    /// A channel of a peer with this identity, from this root; without one, no certificate is
    /// shown.
    pub(crate) async fn channel(
        &self,
        peer: Option<(&Root, &str)>,
    ) -> Result<Channel, tonic::transport::Error> {
        self.channel_showing(peer.map(|(root, identity)| root.leaf(identity))).await
    }

    /// A channel of a peer that shows this certificate.
    pub(crate) async fn channel_showing(
        &self,
        credentials: Option<tls::Credentials>,
    ) -> Result<Channel, tonic::transport::Error> {
        self.dial(credentials, self.root.expecting(CONTROL)).await
    }

    /// A channel of a peer that expects this of control.
    pub(crate) async fn channel_expecting(
        &self,
        control: PeerVerifier,
    ) -> Result<Channel, tonic::transport::Error> {
        self.dial(None, control).await
    }

    async fn dial(
        &self,
        credentials: Option<tls::Credentials>,
        control: PeerVerifier,
    ) -> Result<Channel, tonic::transport::Error> {
        let config = tls::client_config(credentials, control, &[b"h2"]);
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config.unwrap()));
        let address = self.address;
        let connect = tower::service_fn(move |_uri| {
            let connector = connector.clone();
            async move {
                let socket = TcpStream::connect(address).await?;
                let name = rustls_pki_types::ServerName::try_from("control").unwrap();
                let stream = connector.connect(name, socket).await?;
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        });
        Endpoint::from_static("http://control").connect_with_connector(connect).await
    }

    /// The stream of a pod of the account `shop/web`.
    pub(crate) async fn proxy(&self, pod: &str) -> ProxyEnd {
        self.try_proxy(hello(pod), Some((&self.root, WEB))).await.unwrap()
    }

    /// The stream of a pod that says this and shows that.
    pub(crate) async fn try_proxy(
        &self,
        hello: Hello,
        peer: Option<(&Root, &str)>,
    ) -> Result<ProxyEnd, client::Error> {
        Self::talk(self.channel(peer).await.unwrap(), hello).await
    }

    /// The stream of a pod over this channel.
    pub(crate) async fn talk(channel: Channel, hello: Hello) -> Result<ProxyEnd, client::Error> {
        let (say, said) = mpsc::channel(64);
        say.send(ToControl::Hello(hello)).await.unwrap();
        let mut client = DiscoveryClient::new(channel);
        let hears = client.connect(ReceiverStream::new(said)).await?;
        Ok(ProxyEnd { say, hears })
    }

    /// The operator's stream.
    pub(crate) async fn operator(&self) -> OperatorEnd {
        let channel = self.channel(Some((&self.root, OPERATOR))).await.unwrap();
        let (say, said) = mpsc::channel(64);
        let mut client = OperationsClient::new(channel);
        let hears = client.watch(ReceiverStream::new(said)).await.unwrap();
        OperatorEnd { say, hears }
    }

    /// The value of a metric; zero if nothing was counted.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

/// What a pod of this name says of itself.
pub(crate) fn hello(pod: &str) -> Hello {
    Hello {
        pod_uid: format!("uid-{pod}").into(),
        pod_name: pod.into(),
        namespace: "shop".into(),
        version: "0.1.0".into(),
        epoch: 1,
        capabilities: Vec::new(),
        token: Token(format!("shop/web/{pod}")),
    }
}

pub(crate) struct ProxyEnd {
    pub(crate) say: mpsc::Sender<ToControl>,
    hears: client::Incoming<FromControl>,
}

impl ProxyEnd {
    pub(crate) async fn subscribe(&self, held: Held) {
        self.say.send(ToControl::Subscribe(vec![held])).await.unwrap();
    }

    /// The next thing said that is no setting.
    pub(crate) async fn hear(&mut self) -> Result<FromControl, client::Error> {
        loop {
            match self.hear_anything().await? {
                FromControl::Settings(_) => {}
                message => return Ok(message),
            }
        }
    }

    pub(crate) async fn hear_anything(&mut self) -> Result<FromControl, client::Error> {
        let next = tokio::time::timeout(DEADLINE, self.hears.next()).await;
        next.expect("nothing was heard in time").expect("the stream ended")
    }

    pub(crate) async fn push(&mut self) -> Push {
        match self.hear().await.unwrap() {
            FromControl::Push(push) => push,
            other => panic!("no push: {other:?}"),
        }
    }

    pub(crate) async fn ack(&self, Push { key, version, decision, .. }: &Push) {
        let ack = Ack { key: key.clone(), version: *version, decision: *decision };
        self.say.send(ToControl::Ack(ack)).await.unwrap();
    }
}

pub(crate) struct OperatorEnd {
    pub(crate) say: mpsc::Sender<ToReplica>,
    hears: client::Incoming<FromReplica>,
}

impl OperatorEnd {
    /// The next thing said that is no heartbeat.
    pub(crate) async fn hear(&mut self) -> FromReplica {
        loop {
            match self.hear_anything().await {
                FromReplica::Heartbeat => {}
                message => return message,
            }
        }
    }

    pub(crate) async fn hear_anything(&mut self) -> FromReplica {
        let next = tokio::time::timeout(DEADLINE, self.hears.next()).await;
        next.expect("nothing was heard in time").expect("the stream ended").unwrap()
    }

    /// What is said, up to the first thing that fits.
    pub(crate) async fn until<T>(&mut self, fits: impl Fn(FromReplica) -> Option<T>) -> T {
        loop {
            if let Some(found) = fits(self.hear().await) {
                return found;
            }
        }
    }
}

/// Whether an identity parses, for the tests' own sake.
pub(crate) fn spiffe(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

/// Longer than anything here takes, on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(20);
