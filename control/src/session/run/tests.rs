//! How sessions end, and what a slow connection gets, on paused time.

use std::collections::BTreeMap;

use model::mesh::{Mesh, OutboundPolicy};
use runtime::{tasks::Tasks, telemetry::Metrics};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use wire::message::Token;

use super::*;
use crate::{
    meter::Meter,
    session::body::{Bodies, Most},
    view::PodFacts,
};

#[derive(Clone, Debug, Default)]
struct Cluster(BTreeMap<Key, Resource>);

impl View for Cluster {
    fn resolve(&self, _asker: &Asker, key: &Key) -> Option<Resource> {
        self.0.get(key).cloned()
    }

    fn pod(&self, _uid: &str) -> Option<PodFacts> {
        None
    }
}

fn mesh(domain: &str) -> Resource {
    Resource::Mesh(Arc::new(Mesh {
        trust_domain: domain.parse().unwrap(),
        cidrs: Vec::new(),
        outbound: OutboundPolicy::AllowAny,
        access_log: None,
        tracing: None,
    }))
}

struct Desk {
    views: watch::Sender<Arc<dyn View>>,
    say: mpsc::Sender<Result<ToControl, Interrupted>>,
    hears: mpsc::Receiver<Result<FromControl<Encoded>, Refusal>>,
    stop: CancellationToken,
    _authorities: watch::Sender<Option<Arc<crate::ca::Authority>>>,
    _tasks: Tasks,
}

impl Desk {
    /// A session whose connection has room for `room` messages.
    fn new(room: usize) -> Self {
        let (tasks, meter) = (Tasks::new(), Meter::new(&Metrics::new()));
        let empty: Arc<dyn View> = Arc::new(Cluster::default());
        let (views, view) = watch::channel(empty);
        let (_authorities, authorities) = watch::channel(None);
        let bodies = Arc::new(Bodies::new(Most::default(), meter.encoded.clone()));
        let sources = Sources { views: view, authorities, bodies, meter };
        let ((outgoing, hears), (say, said)) = (mpsc::channel(room), mpsc::channel(16));
        let hello = Hello {
            pod_uid: "uid".into(),
            pod_name: "web-1".into(),
            namespace: "shop".into(),
            version: "0.1.0".into(),
            epoch: 1,
            capabilities: Vec::new(),
            token: Token(String::new()),
        };
        let asker = Asker {
            namespace: "shop".into(),
            pod_uid: "uid".into(),
            pod_name: "web-1".into(),
            addresses: Vec::new(),
            identity: "spiffe://cluster.local/ns/shop/sa/web".parse().unwrap(),
        };
        let (registry, stop) = (Registry::start(&tasks), CancellationToken::new());
        let (session, stopping) = (Session::new(asker, sources, outgoing), stop.clone());
        let incoming: Incoming<ToControl> = Box::pin(ReceiverStream::new(said));
        tasks.spawn("session", async move {
            Box::pin(run(session, &hello, incoming, registry, stopping)).await;
        });
        Self { views, say, hears, stop, _authorities, _tasks: tasks }
    }

    fn change(&self, resource: Resource) {
        self.views.send_replace(Arc::new(Cluster(BTreeMap::from([(Key::Mesh, resource)]))));
    }

    async fn subscribe(&self) {
        let held = vec![Held::nothing(Key::Mesh)];
        self.say.send(Ok(ToControl::Subscribe(held))).await.unwrap();
    }

    /// Why the session ended, and when.
    async fn refusal(&mut self) -> Refusal {
        loop {
            if let Err(refusal) = self.hears.recv().await.expect("the session ended in silence") {
                return refusal;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_nothing_for_too_long_is_gone() {
    let (mut desk, begin) = (Desk::new(4), Instant::now());
    let refusal = desk.refusal().await;
    assert!(refusal.to_string().contains("nothing was heard"), "{refusal}");
    assert_eq!(begin.elapsed().as_secs(), SILENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_report_keeps_a_session_alive() {
    let (mut desk, begin) = (Desk::new(4), Instant::now());
    let say = desk.say.clone();
    let report = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        say.send(Ok(ToControl::Report(Report::default()))).await.unwrap();
    };
    tokio::join!(desk.refusal(), report);
    assert_eq!(begin.elapsed().as_secs(), 20 + SILENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_nothing_is_cut() {
    let (mut desk, begin) = (Desk::new(1), Instant::now());
    // The first setting fills the queue; the answer finds no room.
    desk.subscribe().await;
    tokio::time::sleep(STUCK + Duration::from_secs(1)).await;
    assert!(matches!(desk.hears.recv().await, Some(Ok(FromControl::Settings(_)))));
    assert!(desk.hears.recv().await.is_none());
    assert_eq!(begin.elapsed().as_secs(), STUCK.as_secs() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_full_gets_only_the_newest() {
    let mut desk = Desk::new(1);
    desk.subscribe().await;
    for domain in ["one.example", "two.example", "three.example"] {
        tokio::time::sleep(Duration::from_secs(1)).await;
        desk.change(mesh(domain));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(desk.hears.recv().await, Some(Ok(FromControl::Settings(_)))));
    let Some(Ok(FromControl::Push(push))) = desk.hears.recv().await else { panic!() };
    assert_eq!(push.body.decode().unwrap(), mesh("three.example"));
    let nothing = tokio::time::timeout(Duration::from_secs(5), desk.hears.recv()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test(start_paused = true)]
async fn changes_in_quick_succession_are_followed_together() {
    let mut desk = Desk::new(4);
    desk.subscribe().await;
    assert!(matches!(desk.hears.recv().await, Some(Ok(FromControl::Settings(_)))));
    assert!(matches!(desk.hears.recv().await, Some(Ok(FromControl::Absent(_)))));
    desk.change(mesh("one.example"));
    let Some(Ok(FromControl::Push(first))) = desk.hears.recv().await else { panic!() };
    assert_eq!(first.body.decode().unwrap(), mesh("one.example"));
    let begin = Instant::now();
    for domain in ["two.example", "three.example", "four.example"] {
        desk.change(mesh(domain));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let Some(Ok(FromControl::Push(second))) = desk.hears.recv().await else { panic!() };
    assert_eq!(second.body.decode().unwrap(), mesh("four.example"));
    assert!(begin.elapsed() <= DEBOUNCE, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_stops_serves_until_the_proxy_has_left() {
    let (mut desk, begin) = (Desk::new(4), Instant::now());
    desk.stop.cancel();
    desk.subscribe().await;
    desk.change(mesh("late.example"));
    let refusal = desk.refusal().await;
    assert!(refusal.to_string().contains("about to stop"), "{refusal}");
    assert!(begin.elapsed() <= SPREAD, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_second_hello_ends_the_session() {
    let mut desk = Desk::new(4);
    let hello = Hello {
        pod_uid: "uid".into(),
        pod_name: "web-1".into(),
        namespace: "shop".into(),
        version: "0.1.0".into(),
        epoch: 2,
        capabilities: Vec::new(),
        token: Token(String::new()),
    };
    desk.say.send(Ok(ToControl::Hello(hello))).await.unwrap();
    assert!(matches!(desk.refusal().await, Refusal::Invalid(_)));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_does_not_end_the_session() {
    let mut desk = Desk::new(4);
    let problem = wire::invalid::Problem::Missing;
    let invalid = wire::invalid::Invalid { field: String::new(), problem };
    desk.say.send(Err(Interrupted::Unreadable(invalid))).await.unwrap();
    desk.subscribe().await;
    assert!(matches!(desk.hears.recv().await, Some(Ok(FromControl::Settings(_)))));
    assert!(matches!(desk.hears.recv().await, Some(Ok(FromControl::Absent(Key::Mesh)))));
}
