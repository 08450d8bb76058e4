//! Requests and bytes over a redirected pair of proxies, by IPv4 and by IPv6: a user of the pod
//! calls services whose only endpoint is the pod itself, so that its one proxy is on both sides.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use lab::{Authority, Proxy, Setup, id, inbound, meshed, plain_service};
use model::{
    endpoint::Endpoints,
    inbound::MtlsMode,
    key::Key,
    resource::{Destination, Resource},
    service::{Protocol, Service, ServiceId},
};
use proxy::redirect::{Done, Ipv6, Options, run};

use crate::namespace::{Agent, POD, answer, in_pod};

/// Where the services are, which nobody has.
const SERVICES: [&str; 2] = ["10.98.0.1", "[fd98::1]"];
const BYTES: u16 = 8080;
const REQUESTS: u16 = 8081;

/// A service whose one endpoint is a port of the pod's.
fn service(at: &str, pod: &str, port: u16) -> Vec<(Key, Resource)> {
    let at: SocketAddr = format!("{at}:{port}").parse().unwrap();
    let pod: SocketAddr = format!("{pod}:{port}").parse().unwrap();
    let name = if at.is_ipv4() { "four" } else { "six" };
    let service_id = ServiceId::new(&format!("{name}.shop.svc.cluster.local"), port);
    let plain = plain_service(Protocol::Detect, None);
    let backends = plain.backends.into_iter().map(|(_, backend)| (service_id.clone(), backend));
    let service = Service {
        id: service_id.clone(),
        backends: backends.collect(),
        ..plain_service(Protocol::Detect, None)
    };
    let listed = Endpoints { id: service_id.clone(), endpoints: vec![meshed(pod, "pod")] };
    vec![
        (Key::Address(at), Resource::Destination(Destination::Service(service_id.clone()))),
        (Key::Endpoints(service_id.clone()), Resource::Endpoints(Arc::new(listed))),
        (Key::Service(service_id), Resource::Service(Arc::new(service))),
    ]
}

/// Answers requests with who sent them, as the application sees it.
fn answer_requests() {
    let listener = TcpListener::bind(("::", REQUESTS)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer_request(&stream.unwrap());
        }
    });
}

fn answer_request(mut stream: &TcpStream) {
    let from = stream.peer_addr().unwrap().ip().to_canonical();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let who = head.iter().find(|line| line.starts_with("x-forwarded-client-cert"));
    let who = who.and_then(|line| line.rsplit("URI=").next()).unwrap_or("nobody");
    let words = format!("{} from {from} for {who}", head[0]);
    let length = words.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{words}").unwrap();
}

/// Checks a claim for a user of a strict pod, of each address of the services in turn.
fn claim(test: &str, check: impl Fn(&mut Agent, &str, &Proxy)) {
    in_pod(&format!("dual_stack::{test}"), |pod, _| {
        let options = Options { proxy_uid: 0, ..Options::default() };
        assert!(matches!(run(&options), Ok(Done::Installed { ipv6: Ipv6::Ready, .. })));
        answer("application", &format!("[::]:{BYTES}"));
        answer_requests();
        let policy = inbound("pod", ([0, 0, 0, 0], 1).into(), MtlsMode::Strict, Protocol::Detect);
        let setup = Setup::new("pod").identity(Authority::fresh().identity("pod"));
        let mut setup = Setup { redirected: true, ..setup }.with([(Key::Inbound, policy)]);
        for (at, pod) in SERVICES.iter().zip(POD) {
            setup = setup.with(service(at, pod, BYTES)).with(service(at, pod, REQUESTS));
        }
        let proxy = Proxy::start(setup);
        let mut user = pod.user(1000);
        SERVICES.iter().for_each(|at| check(&mut user, at, &proxy));
    });
}

fn over_mutual_tls(proxy: &Proxy, metric: &str) -> f64 {
    let by =
        |reporter| proxy.counted(metric, &["connection_security_policy=\"mutual_tls\"", reporter]);
    by("reporter=\"source\"").min(by("reporter=\"destination\""))
}

#[test]
fn bytes_pass_a_redirected_pair_by_either_family() {
    claim("bytes_pass_a_redirected_pair_by_either_family", |user, at, proxy| {
        let before = over_mutual_tls(proxy, "istio_tcp_connections_opened_total");
        let (pod, from) = if at.starts_with('[') { (POD[1], "::6") } else { (POD[0], "127.0.0.6") };
        let expected = format!("application {pod}:{BYTES} from {from}");
        assert_eq!(user.connect(&format!("{at}:{BYTES}")), expected);
        let after = over_mutual_tls(proxy, "istio_tcp_connections_opened_total");
        assert_eq!(after - before, 1.0);
    });
}

#[test]
fn requests_pass_a_redirected_pair_by_either_family() {
    claim("requests_pass_a_redirected_pair_by_either_family", |user, at, proxy| {
        let before = over_mutual_tls(proxy, "istio_requests_total");
        let from = if at.starts_with('[') { "::6" } else { "127.0.0.6" };
        let expected = format!("GET / HTTP/1.1 from {from} for {}", id("pod"));
        assert_eq!(user.ask(&format!("{at}:{REQUESTS}")), expected);
        let after = over_mutual_tls(proxy, "istio_requests_total");
        assert_eq!(after - before, 1.0);
    });
}
