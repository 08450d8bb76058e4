//! Names of headers as they were written: kept where somebody asked for it, over HTTP/1 all the
//! way, and in lower case elsewhere.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::future::join_all;
use http::{Request, Version};
use lab::{Authority, Pair, Proxy, Setup, endpoints, meshed, service, service_id};
use model::{
    endpoint::Endpoint,
    inbound::MtlsMode,
    key::Key,
    resource::{Destination, Resource},
    workload::Workload,
};
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
    sync::{Barrier, mpsc::Receiver},
};

use crate::{
    mesh::peer,
    raw::{HEAD, answering, ask, has, read_until},
    talk::{Application, empty, http2, text, words},
};

const ASKS: &str = "POST /a HTTP/1.1\r\nHost: a\r\nX-Bread: 1\r\nX-BREAD: 2\r\n\
                    Content-Length: 2\r\n\r\nhi";
const ANSWERS: &str = "HTTP/1.1 200 OK\r\nX-AnSWer: a\r\nContent-Length: 2\r\n\r\nok";

/// An application that is asked and answers as above, and what it is asked.
async fn application() -> (Application, Receiver<String>) {
    answering("\r\n\r\nhi", ANSWERS).await
}

/// Asks twice on one connection; gives each request as it arrived, and each answer.
async fn talk(to: SocketAddr, told: &mut Receiver<String>) -> Vec<(String, String)> {
    let mut client = TcpStream::connect(to).await.unwrap();
    let mut said = Vec::new();
    for _ in 0..2 {
        client.write_all(ASKS.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "ok").await.unwrap();
        said.push((told.recv().await.unwrap(), answer));
    }
    said
}

fn is_kept(said: &[(String, String)]) {
    for (request, answer) in said {
        for line in ["Host: a", "X-Bread: 1", "X-BREAD: 2", "Content-Length: 2"] {
            assert!(has(request, line), "{request}");
        }
        for line in ["X-AnSWer: a", "Content-Length: 2"] {
            assert!(has(answer, line), "{answer}");
        }
    }
}

fn is_lower(said: &[(String, String)]) {
    for (request, answer) in said {
        for line in ["host: a", "x-bread: 1", "x-bread: 2"] {
            assert!(has(request, line), "{request}");
        }
        assert!(has(answer, "x-answer: a"), "{answer}");
    }
}

fn keeping(name: &'static str) -> Setup {
    Setup { keeps_case: true, ..Setup::new(name) }
}

#[tokio::test]
async fn one_proxy_keeps_names_of_headers_both_ways_if_it_is_told_to() {
    for keeps_case in [true, false] {
        let (application, mut told) = application().await;
        let endpoint = Endpoint::plain(application.address);
        let setup = Setup { keeps_case, ..Setup::new("frontend") };
        let proxy = Proxy::start(setup.with(service(vec![endpoint])));
        let said = talk(proxy.outbound(), &mut told).await;
        if keeps_case { is_kept(&said) } else { is_lower(&said) }
    }
}

#[tokio::test]
async fn a_client_without_a_proxy_reaches_a_server_that_keeps_names_of_headers() {
    let (application, mut told) = application().await;
    let setup = keeping("catalogue").identity(Authority::fresh().identity("catalogue"));
    let server = Proxy::start(setup.serving(application.address, MtlsMode::Permissive));
    is_kept(&talk(server.inbound(), &mut told).await);
}

/// Two proxies with somebody between them who counts connections.
struct Counted {
    client: Proxy,
    server: Proxy,
    _way: Application,
    connections: Arc<AtomicUsize>,
}

/// `client` is told of an endpoint that keeps names of headers if `endpoint_keeps` says so.
async fn counted(application: SocketAddr, client: Setup, endpoint_keeps: bool) -> Counted {
    let authority = Authority::fresh();
    let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
    let server = Proxy::start(setup.serving(application, MtlsMode::Strict));
    let (inbound, connections) = (server.inbound(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    let way = Application::tcp(move |mut near| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut far = TcpStream::connect(inbound).await.unwrap();
            drop(copy_bidirectional(&mut near, &mut far).await);
        }
    });
    let way = way.await;
    let endpoint = Endpoint { keeps_case: endpoint_keeps, ..meshed(way.address, "catalogue") };
    let client = client.identity(authority.identity("frontend")).with(service(vec![endpoint]));
    Counted { client: Proxy::start(client), server, _way: way, connections }
}

#[tokio::test]
async fn two_proxies_keep_names_of_headers_if_either_pod_asks_for_it_on_one_kept_connection() {
    for (client, endpoint_keeps) in [(keeping("frontend"), false), (Setup::new("frontend"), true)] {
        let (application, mut told) = application().await;
        let pair = counted(application.address, client, endpoint_keeps).await;
        for _ in 0..2 {
            is_kept(&talk(pair.client.outbound(), &mut told).await);
        }
        assert_eq!(pair.connections.load(Ordering::Relaxed), 1);
        let tls = ["reporter=\"destination\"", "connection_security_policy=\"mutual_tls\""];
        assert_eq!(pair.server.counted("istio_requests_total", &tls), 4.0);
    }
}

#[tokio::test]
async fn two_proxies_that_nobody_told_pass_names_of_headers_on_in_lower_case() {
    let (application, mut told) = application().await;
    let pair = Pair::start(application.address);
    is_lower(&talk(pair.client.outbound(), &mut told).await);
}

#[tokio::test]
async fn an_endpoint_that_begins_to_keep_names_of_headers_is_heeded_by_the_next_connection() {
    let (application, mut told) = application().await;
    let pair = Pair::start(application.address);
    is_lower(&talk(pair.client.outbound(), &mut told).await);
    let endpoint = Endpoint { keeps_case: true, ..meshed(pair.server.inbound(), "catalogue") };
    pair.client.feed().push(Key::Endpoints(service_id()), endpoints(vec![endpoint]));
    is_kept(&talk(pair.client.outbound(), &mut told).await);
}

#[tokio::test]
async fn a_pod_that_is_reached_by_its_own_address_keeps_names_of_headers() {
    let (application, mut told) = application().await;
    let authority = Authority::fresh();
    let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
    let server = Proxy::start(setup.serving(application.address, MtlsMode::Strict));
    let address = server.inbound();
    let pod = Workload { keeps_case: true, ..peer("catalogue") };
    let resources = [
        (Key::Address(address), Resource::Destination(Destination::Workload)),
        (Key::Workload(address.ip()), Resource::Workload(Arc::new(pod))),
    ];
    let setup = Setup::new("frontend").identity(authority.identity("frontend"));
    let client = Proxy::start(setup.with(resources).going_to(address));
    is_kept(&talk(client.outbound(), &mut told).await);
}

#[tokio::test]
async fn a_client_of_http_1_0_is_still_one_at_the_server_and_names_who_it_is() {
    let (application, mut told) = answering(HEAD, ANSWERS).await;
    let pair = counted(application.address, keeping("frontend"), false).await;
    let asks = "GET / HTTP/1.0\r\nX-Mine: 1\r\nX-Forwarded-Client-Cert: forged\r\n\
                X-Serin-Client-Version: 2\r\n\r\n";
    let answer = ask(pair.client.outbound(), asks).await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && has(&answer, "X-AnSWer: a"), "{answer}");
    let asked = told.recv().await.unwrap();
    assert!(asked.starts_with("GET / HTTP/1.0\r\n") && has(&asked, "X-Mine: 1"), "{asked}");
    let certificate = "x-forwarded-client-cert: by=";
    assert!(asked.to_lowercase().contains(certificate) && !asked.contains("forged"), "{asked}");
    assert!(!asked.to_lowercase().contains("x-serin"), "{asked}");
}

#[tokio::test]
async fn a_client_of_http2_goes_on_over_http2() {
    // Answered once all three are there: over HTTP/1 each would need a connection.
    let all = Arc::new(Barrier::new(3));
    let application = Application::http(move |request| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            text(&format!("{:?}", request.version()))
        }
    });
    let application = application.await;
    let pair = counted(application.address, keeping("frontend"), true).await;
    let client = http2(pair.client.outbound()).await;
    let asked = (0..3).map(|_| {
        let mut client = client.clone();
        async move {
            let request = Request::get("http://catalogue/").body(empty()).unwrap();
            words(client.send_request(request).await.unwrap()).await
        }
    });
    for answer in join_all(asked).await {
        assert_eq!(answer, format!("{:?}", Version::HTTP_2));
    }
    assert_eq!(pair.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_a_peer_did_not_begin_with_is_asked_elsewhere_with_names_kept() {
    let (application, mut told) = application().await;
    let authority = Authority::fresh();
    let gone = SocketAddr::from(([127, 0, 0, 1], 1));
    let servers = [gone, application.address].map(|application| {
        let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
        Proxy::start(setup.serving(application, MtlsMode::Strict))
    });
    let both = servers.iter().map(|server| meshed(server.inbound(), "catalogue")).collect();
    let client = keeping("frontend").identity(authority.identity("frontend"));
    let client = Proxy::start(client.with(service(both)));
    for _ in 0..10 {
        is_kept(&talk(client.outbound(), &mut told).await);
    }
    assert!(client.counted("serin_proxy_events_total", &["replayed"]) >= 1.0);
}

#[tokio::test]
async fn a_peer_that_leaves_is_not_asked_while_another_can_be() {
    let (application, mut told) = application().await;
    let authority = Authority::fresh();
    let servers = [(); 2].map(|()| {
        let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
        Proxy::start(setup.serving(application.address, MtlsMode::Strict))
    });
    let both = servers.iter().map(|server| meshed(server.inbound(), "catalogue")).collect();
    let client = keeping("frontend").identity(authority.identity("frontend"));
    let client = Proxy::start(client.with(service(both)));
    servers[0].plane.drain.begin(tokio::time::Instant::now() + crate::raw::DEADLINE);
    for _ in 0..10 {
        is_kept(&talk(client.outbound(), &mut told).await);
    }
    let answered = ["response_code=\"200\"", "reporter=\"destination\""];
    assert_eq!(servers[0].counted("istio_requests_total", &answered), 0.0);
    assert_eq!(servers[1].counted("istio_requests_total", &answered), 20.0);
}
