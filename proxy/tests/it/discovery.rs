//! Claims about following a control plane: what is asked, what is held, and what happens when it
//! goes away.

use std::{sync::Arc, time::Duration};

use model::{
    endpoint::Endpoints,
    inbound::{Inbound, MtlsMode},
    key::Key,
    resource::{Destination, Resource},
    service::{Backend, Protocol, Service, ServiceId},
    trust::{Fingerprint, Trust},
};
use proxy::{
    control,
    discovery::{Answer, Discovery, Proxy},
    identity::{self, Identity, Renewal, Roots},
    report::Reporter,
    telemetry_rows::Rows,
};
use runtime::{clock::Clock, readiness::Readiness, tasks::Tasks, telemetry::Metrics};
use wire::message::{FromControl, Held, Settings, ToControl};

use crate::control::{Authority, CONTROL, Control, PROXY, Session, TOKEN, in_time};

/// A proxy's control half, running.
struct Subject {
    discovery: Discovery,
    identity: Identity,
    readiness: Readiness,
    rows: Arc<Rows>,
    tasks: Tasks,
    _files: tempfile::TempDir,
}

impl Subject {
    /// One that trusts the authority of `control` and looks for it where it is.
    fn of(control: &Control) -> Self {
        Self::trusting(&control.authority, control)
    }

    fn trusting(authority: &Authority, control: &Control) -> Self {
        let files = tempfile::tempdir().unwrap();
        let (trust, token) = (files.path().join("trust.pem"), files.path().join("token"));
        std::fs::write(&trust, authority.pem()).unwrap();
        std::fs::write(&token, TOKEN).unwrap();
        let (clock, readiness, metrics) = (Clock::system(), Readiness::new(), Metrics::new());
        let identity = Identity::empty();
        let roots = Roots { file: trust, identity: identity.clone() };
        let address = control.address.to_string();
        let control = control::Control { address, id: CONTROL.parse().unwrap() };
        let rows = Arc::new(Rows::new(clock.clone()));
        let proxy = Proxy {
            control: control.clone(),
            roots: roots.clone(),
            token: token.clone(),
            pod_uid: "uid-1".into(),
            pod_name: "catalogue-1".into(),
            namespace: "shop".into(),
            epoch: 42,
            reporter: Reporter::new(Arc::clone(&rows), identity.clone()),
            clock: clock.clone(),
        };
        let (discovery, client) = Discovery::new(proxy, &readiness, &metrics);
        let authority = Arc::new(identity::Control { control, roots, token });
        let id = PROXY.parse().unwrap();
        let renewal = Renewal::new(id, identity.clone(), discovery.clone(), authority, clock)
            .shown(&readiness, &metrics);
        let tasks = Tasks::new();
        tasks.spawn("discovery", client.run(tasks.token()));
        tasks.spawn("identity", renewal.run(tasks.token()));
        Self { discovery, identity, readiness, rows, tasks, _files: files }
    }

    /// Waits until `key` holds `answer`.
    async fn holds(&self, key: &Key, answer: &Answer) {
        let mut changed = self.discovery.changed();
        let held = changed.wait_for(|_| self.discovery.current(key).as_ref() == Some(answer));
        drop(in_time(held).await.unwrap());
    }

    /// Asks for `key` without waiting for the answer.
    fn ask(&self, key: Key) {
        let discovery = self.discovery.clone();
        self.tasks.spawn("look-up", async move {
            discovery.look_up(key).await;
        });
    }
}

const HOST: &str = "payment.shop.svc.cluster.local";

fn address() -> Key {
    Key::Address("10.96.0.1:80".parse().unwrap())
}

fn named() -> Resource {
    Resource::Destination(Destination::Service(ServiceId::new(HOST, 80)))
}

fn trust(decision: u64) -> Resource {
    Resource::Trust(Arc::new(Trust { decision, anchors: Vec::new() }))
}

fn inbound() -> Resource {
    let (identity, mtls) = (PROXY.parse().unwrap(), MtlsMode::Strict);
    Resource::Inbound(Arc::new(Inbound { identity, mtls, ports: [].into() }))
}

fn service() -> Resource {
    let id = ServiceId::new(HOST, 80);
    let backend = Backend {
        name: "payment".into(),
        namespace: "shop".into(),
        split: None,
        connect_timeout: Duration::from_secs(1),
    };
    Resource::Service(Arc::new(Service {
        id: id.clone(),
        name: "payment".into(),
        namespace: "shop".into(),
        protocol: Protocol::Http,
        routes: Vec::new(),
        backends: [(id, backend)].into_iter().collect(),
    }))
}

fn subscribed(message: &ToControl) -> Vec<Held> {
    match message {
        ToControl::Subscribe(held) => held.clone(),
        other => panic!("{other:?} instead of a subscription"),
    }
}

/// The stream of a proxy, past what it asks for first.
async fn opened(control: &mut Control) -> Session {
    let mut session = control.session().await;
    subscribed(&session.hear().await);
    session
}

#[tokio::test]
async fn a_proxy_proves_who_it_is_and_is_ready_with_its_policy_and_the_roots() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let mut session = control.session().await;
    assert_eq!(session.peer.identity, Some(PROXY.parse().unwrap()));
    assert_eq!(&*session.hello.pod_uid, "uid-1");
    assert_eq!(session.hello.epoch, 42);
    assert_eq!(session.hello.token.0, TOKEN);
    let held = subscribed(&session.hear().await);
    assert_eq!(held, [Key::Inbound, Key::Trust, Key::Mesh].map(Held::nothing));
    assert_eq!(subject.readiness.pending(), ["inbound policy", "trust bundle"]);
    session.push(Key::Inbound, &inbound()).await;
    session.push(Key::Trust, &trust(1)).await;
    subject.holds(&Key::Inbound, &Answer::Found(inbound())).await;
    subject.holds(&Key::Trust, &Answer::Found(trust(1))).await;
    assert!(subject.readiness.is_ready());
}

#[tokio::test]
async fn all_who_look_up_a_key_share_one_question_and_one_answer() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let mut session = opened(&mut control).await;
    let answers = async {
        tokio::join!(subject.discovery.look_up(address()), subject.discovery.look_up(address()))
    };
    let serve = async {
        assert_eq!(subscribed(&session.hear().await), [Held::nothing(address())]);
        let version = session.push(address(), &named()).await;
        match session.hear().await {
            ToControl::Ack(ack) => assert_eq!((ack.key, ack.version), (address(), version)),
            other => panic!("{other:?} instead of an ack"),
        }
    };
    let ((one, two), ()) = tokio::join!(answers, serve);
    assert_eq!((one, two), (Answer::Found(named()), Answer::Found(named())));
    assert_eq!(subject.discovery.current(&address()), Some(Answer::Found(named())));
}

#[tokio::test]
async fn what_is_absent_is_known_to_be_and_is_held_when_it_is_created() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let mut session = opened(&mut control).await;
    subject.ask(address());
    session.hear().await;
    session.say(FromControl::Absent(address())).await;
    subject.holds(&address(), &Answer::Absent).await;
    session.push(address(), &named()).await;
    subject.holds(&address(), &Answer::Found(named())).await;
}

#[tokio::test]
async fn a_service_is_answered_with_its_endpoints() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let mut session = opened(&mut control).await;
    let id = ServiceId::new(HOST, 80);
    let key = Key::Service(id.clone());
    let looked_up = subject.discovery.look_up(key.clone());
    let serve = async {
        session.hear().await;
        session.push(key.clone(), &service()).await;
        let endpoints = Key::Endpoints(id.clone());
        assert_eq!(subscribed(&session.hear().await), [Held::nothing(endpoints.clone())]);
        assert_eq!(subject.discovery.current(&key), None);
        let none = Endpoints { id: id.clone(), endpoints: Vec::new() };
        session.push(endpoints, &Resource::Endpoints(Arc::new(none))).await;
    };
    let (answer, ()) = tokio::join!(looked_up, serve);
    assert_eq!(answer, Answer::Found(service()));
}

#[tokio::test]
async fn a_look_up_that_control_does_not_answer_ends_in_time_and_is_answered_later() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let mut session = opened(&mut control).await;
    assert_eq!(subject.discovery.look_up(address()).await, Answer::Unavailable);
    assert_eq!(subscribed(&session.hear().await), [Held::nothing(address())]);
    session.push(address(), &named()).await;
    subject.holds(&address(), &Answer::Found(named())).await;
}

#[tokio::test]
async fn a_lower_decision_is_refused_and_the_higher_one_stays() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let mut session = opened(&mut control).await;
    session.push(Key::Trust, &trust(5)).await;
    session.hear().await;
    let lower = session.push(Key::Trust, &trust(4)).await;
    match session.hear().await {
        ToControl::Nack(nack) => assert_eq!((nack.key, nack.version), (Key::Trust, lower)),
        other => panic!("{other:?} instead of a nack"),
    }
    assert_eq!(subject.discovery.current(&Key::Trust), Some(Answer::Found(trust(5))));
}

#[tokio::test]
async fn what_is_held_is_served_while_control_is_away_and_named_when_it_is_back() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let mut session = opened(&mut control).await;
    subject.ask(address());
    session.hear().await;
    let version = session.push(address(), &named()).await;
    subject.holds(&address(), &Answer::Found(named())).await;
    control.stop().await;
    assert_eq!(subject.discovery.look_up(address()).await, Answer::Found(named()));
    control.start_again().await;
    let mut session = control.session().await;
    let held = subscribed(&session.hear().await);
    assert!(held.contains(&Held::resource(address(), version, &named())), "{held:?}");
}

#[tokio::test]
async fn what_is_asked_while_control_is_away_is_answered_when_it_is_back() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    opened(&mut control).await;
    control.stop().await;
    subject.ask(address());
    control.start_again().await;
    let mut session = control.session().await;
    let mut held = subscribed(&session.hear().await);
    if !held.contains(&Held::nothing(address())) {
        held = subscribed(&session.hear().await);
    }
    assert!(held.contains(&Held::nothing(address())), "{held:?}");
    session.push(address(), &named()).await;
    subject.holds(&address(), &Answer::Found(named())).await;
}

#[tokio::test]
async fn a_stream_that_control_ends_at_once_is_not_opened_again_at_once() {
    let mut control = Control::start().await;
    let _subject = Subject::of(&control);
    let began = tokio::time::Instant::now();
    for _ in 0..4 {
        control.session().await.cut().await;
    }
    control.session().await;
    // Half of 100, 200, 400 and 800 milliseconds at least.
    let least = Duration::from_millis(750);
    assert!(began.elapsed() >= least, "{:?}", began.elapsed());
}

#[tokio::test]
async fn reports_come_at_the_pace_that_control_sets_and_say_what_was_counted() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let mut session = control.session().await;
    let report = session.report().await;
    let leaf = subject.identity.current().unwrap().leaf();
    assert_eq!((report.rows.len(), report.leaf), (0, leaf));
    let rollout = model::decision::RolloutId::new("shop", "payment");
    subject.rows.record(&rollout, None, false);
    let report_interval = Duration::from_millis(100);
    session.say(FromControl::Settings(Settings { report_interval, issuer: None })).await;
    // The next but one at least was made after the pace changed.
    session.report().await;
    let rows = session.report().await.rows;
    assert_eq!((rows[0].attempts, rows[0].failures), (1, 1));
    // At the pace of before they would take more than a minute.
    in_time(async {
        for _ in 0..35 {
            session.report().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_hears_of_another_issuer_asks_it_for_a_certificate() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let session = control.session().await;
    let (report_interval, issuer) = (Duration::from_secs(2), Some(Fingerprint([7; 32])));
    session.say(FromControl::Settings(Settings { report_interval, issuer })).await;
    let mut generation = subject.identity.changed();
    drop(in_time(generation.wait_for(|generation| *generation >= 2)).await.unwrap());
}

#[tokio::test]
async fn a_control_plane_of_a_foreign_authority_is_not_believed() {
    let mut control = Control::start().await;
    let subject = Subject::trusting(&Authority::new(), &control);
    let session = tokio::time::timeout(Duration::from_secs(1), control.session());
    assert!(session.await.is_err());
    assert_eq!(control.signed(), 0);
    assert!(subject.identity.current().is_none());
}

#[tokio::test]
async fn a_workload_that_says_it_is_control_is_not_believed() {
    let id = "spiffe://cluster.local/ns/shop/sa/evil";
    let control = Control::start_as(Authority::new(), id).await;
    let subject = Subject::of(&control);
    assert_eq!(subject.discovery.look_up(address()).await, Answer::Unavailable);
    assert_eq!(control.signed(), 0);
    assert!(subject.identity.current().is_none());
}

#[tokio::test]
async fn a_proxy_that_control_keeps_refusing_gets_another_certificate() {
    let mut control = Control::start().await;
    control.refuse(true);
    let subject = Subject::of(&control);
    let mut generation = subject.identity.changed();
    drop(in_time(generation.wait_for(|generation| *generation >= 2)).await.unwrap());
    control.refuse(false);
    control.session().await;
}

#[tokio::test]
async fn the_task_ends_when_told_and_the_stream_with_it() {
    let mut control = Control::start().await;
    let subject = Subject::of(&control);
    let mut session = opened(&mut control).await;
    let end = subject.tasks.shutdown(Duration::from_secs(5)).await;
    assert_eq!(end, runtime::tasks::End::Clean);
    in_time(session.closed()).await;
}
