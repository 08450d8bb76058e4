//! Claims about what may be asked, over real sockets.

use std::{net::SocketAddr, sync::OnceLock, time::UNIX_EPOCH};

use model::{
    decision::RolloutId,
    key::{Key, Version},
    resource::{Destination, Resource},
    service::{Backend, Protocol, Service, ServiceId, Share, Split},
    trust::{Anchor, Trust},
    weight::Weight,
};
use rcgen::{CertificateParams, KeyPair};
use runtime::{tasks::Tasks, telemetry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{
    discovery::{Line, TestFeed},
    drain::command,
};

/// Logging is set up once in a process.
fn log() -> LogLevel {
    static LOG: OnceLock<LogLevel> = OnceLock::new();
    LOG.get_or_init(|| telemetry::init("off").unwrap()).clone()
}

fn parts() -> (Parts, TestFeed) {
    let trust = Resource::Trust(Arc::new(Trust { decision: 3, anchors: Vec::new() }));
    let (discovery, feed) = Discovery::for_tests([(Key::Trust, trust)]);
    let parts = Parts {
        readiness: Readiness::new(),
        metrics: Metrics::new(),
        discovery,
        clock: Clock::fixed(UNIX_EPOCH + Duration::from_secs(3600)),
        identity: Identity::empty(),
        drain: Drain::new(),
        drain_limit: Duration::from_secs(30),
        log: log(),
        probes: Probes::default(),
        pod: "127.0.0.1".parse().unwrap(),
    };
    (parts, feed)
}

async fn serve(admin: Admin) -> (SocketAddr, Tasks) {
    let listener = runtime::admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, tasks) = (listener.local_addr().unwrap(), Tasks::new());
    tasks.spawn("admin", runtime::admin::serve(listener, admin, tasks.token()));
    (address, tasks)
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> String {
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_pods_network_may_see_but_not_change_anything() {
    let (parts, _feed) = parts();
    let (address, _tasks) = serve(pod_facing(&parts)).await;
    for path in ["/ready", "/live", "/metrics"] {
        assert!(ask(address, "GET", path).await.starts_with("HTTP/1.1 200"), "{path}");
    }
    for path in ["/config", "/certs", "/log?level=trace", "/drain", "/app/main/readiness"] {
        let answer = ask(address, "POST", path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    assert!(!parts.drain.is_draining());
}

#[tokio::test]
async fn a_level_that_is_none_is_refused_by_name() {
    let (parts, _feed) = parts();
    let (address, _tasks) = serve(localhost(&parts)).await;
    assert!(ask(address, "POST", "/log?level=info").await.starts_with("HTTP/1.1 200"));
    let answer = ask(address, "POST", "/log?level=a=b=c").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("a=b=c"), "{answer}");
    assert!(ask(address, "POST", "/log").await.contains("level=debug"));
}

#[tokio::test]
async fn a_proxy_without_a_certificate_says_so() {
    let (parts, _feed) = parts();
    let (address, _tasks) = serve(localhost(&parts)).await;
    assert!(ask(address, "GET", "/certs").await.contains(r#""certificate": null"#));
}

#[tokio::test]
async fn draining_waits_for_what_is_in_flight_and_tells_how_it_went() {
    let (parts, _feed) = parts();
    let (address, _tasks) = serve(localhost(&parts)).await;
    let gauge = parts.drain.gauge();
    let request = gauge.enter();
    let mut changed = parts.drain.changed();
    let finish = async {
        changed.changed().await.unwrap();
        drop(request);
    };
    let (drained, ()) = tokio::join!(command::drain(address, Duration::from_secs(20)), finish);
    let drained = drained.unwrap();
    assert_eq!((drained.in_flight, drained.left), (1, 0));
    assert!(drained.to_string().contains("for 1 in flight; nothing is left"), "{drained}");
    assert!(parts.drain.is_draining());
}

#[tokio::test]
async fn draining_ends_at_the_limit_and_says_what_is_cut() {
    let (mut parts, _feed) = parts();
    parts.drain_limit = Duration::from_millis(50);
    let (address, _tasks) = serve(localhost(&parts)).await;
    let gauge = parts.drain.gauge();
    let _request = gauge.enter();
    let drained = command::drain(address, Duration::from_secs(20)).await.unwrap();
    assert_eq!(drained.left, 1);
    assert!(drained.to_string().contains("1 are left"), "{drained}");
}

#[tokio::test]
async fn a_pod_without_a_proxy_is_not_waited_for() {
    let listener = runtime::admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = command::drain(address, Duration::from_secs(20)).await.unwrap_err();
    assert!(matches!(error, command::Error::Connect { .. }), "{error}");
}

#[test]
fn a_service_is_shown_with_what_its_canary_gets() {
    let id = ServiceId::new("payment.shop.svc.cluster.local", 80);
    let split = Split {
        rollout: RolloutId::new("shop", "payment"),
        decision: 7,
        canary: "6b4f".parse().unwrap(),
        share: Share::Weighted(Weight::from_basis_points(500_u16).unwrap()),
    };
    let backend = Backend {
        name: "payment".into(),
        namespace: "shop".into(),
        split: Some(split),
        connect_timeout: Duration::from_secs(1),
    };
    let service = Service {
        id: id.clone(),
        name: "payment".into(),
        namespace: "shop".into(),
        protocol: Protocol::Http,
        routes: Vec::new(),
        backends: [(id.clone(), backend)].into_iter().collect(),
    };
    let found = Some(crate::discovery::Answer::Found(Resource::Service(Arc::new(service))));
    let held = Line { decision: 7, age: Duration::from_secs(20), ..line(Key::Service(id), found) };
    let shown = resource::lines(&[held], UNIX_EPOCH + Duration::from_secs(3600));
    let shown = &shown[0];
    assert_eq!(shown["key"], "service/payment.shop.svc.cluster.local:80");
    assert_eq!((&shown["state"], &shown["acked"]), (&json!("found"), &json!(true)));
    assert_eq!((&shown["version"], &shown["decision"]), (&json!("0000000000000001"), &json!(7)));
    assert_eq!(shown["since"], "1970-01-01T00:59:40Z");
    let split = json!({
        "rollout": "shop/payment", "decision": 7, "canary": "6b4f", "share": "5%"
    });
    assert_eq!(shown["resource"]["backends"][0]["split"], split);
}

/// A key in use.
fn line(key: Key, answer: Option<crate::discovery::Answer>) -> Line {
    let (version, staged, age) = (Some(Version(1)), None, Duration::ZERO);
    let (decision, waits_for, objection) = (0, Vec::new(), None);
    Line { key, version, decision, staged, waits_for, objection, answer, age }
}

#[test]
fn every_key_says_what_it_is_there_for() {
    use crate::discovery::Answer::Found;
    let id = ServiceId::new("payment.shop.svc.cluster.local", 80);
    let address = Key::Address("10.96.0.1:80".parse().unwrap());
    let to_service = Resource::Destination(Destination::Service(id.clone()));
    let waiting = Line {
        version: None,
        staged: Some(Version(2)),
        waits_for: vec![Key::Endpoints(id.clone())],
        objection: Some("no room".to_owned()),
        ..line(Key::Service(id.clone()), None)
    };
    let lines = [
        line(Key::Mesh, None),
        line(address.clone(), Some(Found(to_service))),
        waiting,
        line(Key::Endpoints(id), None),
    ];
    let shown = resource::lines(&lines, UNIX_EPOCH);
    assert_eq!(shown[0]["because"], json!(["every proxy needs it"]));
    assert_eq!(shown[1]["because"], json!(["the pod connected to it"]));
    assert_eq!(shown[2]["because"], json!([address.to_string()]));
    let service = "service/payment.shop.svc.cluster.local:80";
    assert_eq!(shown[3]["because"], json!([service]));
    assert_eq!((&shown[2]["acked"], &shown[2]["lastError"]), (&json!(false), &json!("no room")));
    let endpoints = "endpoints/payment.shop.svc.cluster.local:80";
    assert_eq!(shown[2]["waitsFor"], json!([endpoints]));
}

#[tokio::test]
async fn the_certificate_in_use_is_shown_without_its_key() {
    let (parts, _feed) = parts();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let trust = Trust { decision: 4, anchors: vec![Anchor(certificate.der().to_vec())] };
    parts.identity.swap(
        "spiffe://cluster.local/ns/shop/sa/a".parse().unwrap(),
        vec![certificate.der().clone()],
        key.serialize_der().try_into().unwrap(),
        Arc::new(trust.clone()),
    );
    let shown = certificate::show(parts.identity.current().as_deref());
    assert_eq!(shown["certificate"]["id"], "spiffe://cluster.local/ns/shop/sa/a");
    assert_eq!(shown["certificate"]["issuer"], trust.anchors[0].fingerprint().to_string());
    assert_eq!(shown["trust"]["fingerprint"], trust.fingerprint().to_string());
    assert!(shown["certificate"].get("key").is_none());
}
