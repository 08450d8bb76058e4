//! Pods that leave while requests come: nobody notices.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use lab::{Authority, Pair, Proxy, Setup, endpoints, meshed, service, service_id};
use model::{endpoint::Endpoint, inbound::MtlsMode, key::Key};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
    time::Instant,
};

use crate::split::{split, under_rollout};
use crate::talk::{Application, full, get, http1, http2, spawn, text, words};

/// Two servers of one service, and a client's proxy that knows both.
struct Shop {
    client: Proxy,
    servers: [Proxy; 2],
    applications: [Option<Application>; 2],
}

impl Shop {
    async fn open() -> Self {
        let authority = Authority::fresh();
        let applications = [echo().await, echo().await];
        let servers = applications.each_ref().map(|application| {
            let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
            Proxy::start(setup.serving(application.address, MtlsMode::Strict))
        });
        let both = servers.iter().map(|server| meshed(server.inbound(), "catalogue")).collect();
        let client = Setup::new("frontend").identity(authority.identity("frontend"));
        let client = Proxy::start(client.with(service(both)));
        Self { client, servers, applications: applications.map(Some) }
    }
}

async fn echo() -> Application {
    Application::http(|request| async move {
        let sent = request.into_body().collect().await.unwrap().to_bytes();
        text(str::from_utf8(&sent).unwrap())
    })
    .await
}

async fn load(to: SocketAddr, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) {
    let mut client = http1(to).await;
    while !stop.load(Ordering::Relaxed) {
        // One that may be sent twice: the application may close a connection at the very moment at
        // which a request is on its way to it, and nobody can tell then whether it was read.
        let request = Request::put("/").header("host", "a").body(full("hello")).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(words(response).await, "hello");
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits for `more` requests to succeed; fails if a client has stopped, which none does but by
/// failing.
async fn until_more(clients: &mut JoinSet<()>, count: &AtomicUsize, more: usize) {
    let enough = count.load(Ordering::Relaxed) + more;
    while count.load(Ordering::Relaxed) < enough {
        if let Some(ended) = clients.try_join_next() {
            ended.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_pod_leaves_under_load_without_a_failed_request() {
    let mut shop = Shop::open().await;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let outbound = shop.client.outbound();
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        clients.spawn(load(outbound, Arc::clone(&stop), Arc::clone(&count)));
    }
    until_more(&mut clients, &count, 200).await;
    // preStop and SIGTERM come at once: the proxy drains and the application stops listening.
    shop.servers[0].plane.drain.begin(Instant::now() + Duration::from_secs(30));
    shop.applications[0] = None;
    until_more(&mut clients, &count, 200).await;
    // Later, the control plane hears of it.
    let left = vec![meshed(shop.servers[1].inbound(), "catalogue")];
    shop.client.feed().push(Key::Endpoints(service_id()), endpoints(left));
    until_more(&mut clients, &count, 200).await;
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    assert_eq!(shop.servers[0].plane.drain.finished().await, 0);
    assert_eq!(shop.client.counted("istio_requests_total", &["response_code=\"503\""]), 0.0);
}

#[tokio::test]
async fn a_request_that_was_refused_is_sent_again_with_its_body() {
    let mut shop = Shop::open().await;
    shop.applications[0] = None;
    let mut client = http1(shop.client.outbound()).await;
    let body = "x".repeat(50_000);
    for _ in 0..10 {
        let request = Request::post("/").header("host", "a").body(full(&body)).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(words(response).await, body);
    }
    assert!(shop.client.counted("serin_proxy_events_total", &["replayed"]) >= 1.0);
}

#[tokio::test]
async fn a_draining_proxy_tells_a_client_without_one_to_connect_anew() {
    let application = echo().await;
    let setup = Setup::new("catalogue").identity(Authority::fresh().identity("catalogue"));
    let server = Proxy::start(setup.serving(application.address, MtlsMode::Permissive));
    let mut client = http1(server.inbound()).await;
    let response = client.send_request(get("/")).await.unwrap();
    assert!(!response.headers().contains_key("connection"));
    words(response).await;
    server.plane.drain.begin(Instant::now() + Duration::from_secs(30));
    let response = client.send_request(get("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["connection"], "close");
}

#[tokio::test]
async fn a_draining_proxy_leaves_its_application_alone_while_another_can_be_asked() {
    let shop = Shop::open().await;
    let under_rollout = under_rollout(split(0));
    shop.client.feed().push(under_rollout.0, under_rollout.1);
    shop.servers[0].plane.drain.begin(Instant::now() + Duration::from_secs(30));
    let mut client = http1(shop.client.outbound()).await;
    for _ in 0..50 {
        // Nobody could say of it whether it was read when the application went away.
        let request = Request::post("/").header("host", "a").body(full("hello")).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(words(response).await, "hello");
    }
    let served = |server: &Proxy| server.counted("istio_requests_total", &["code=\"200\""]);
    assert_eq!(shop.servers.each_ref().map(served), [0.0, 50.0]);
    assert!(shop.client.counted("serin_proxy_events_total", &["replayed"]) >= 1.0);
    // To leave is no failure of a release.
    assert!(shop.client.plane.rows.snapshot().iter().all(|row| row.failures == 0));
}

#[tokio::test]
async fn a_draining_proxy_still_takes_new_connections() {
    let shop = Shop::open().await;
    for server in &shop.servers {
        server.plane.drain.begin(Instant::now() + Duration::from_secs(30));
    }
    for _ in 0..10 {
        let response = http1(shop.client.outbound()).await.send_request(get("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_server_that_closes_idle_connections_is_no_reason_to_fail_a_request() {
    let application = Application::tcp(|mut stream| async move {
        // Answers once, promises nothing, and goes.
        let mut head = [0; 1024];
        drop(stream.read(&mut head).await);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await);
    });
    let application = application.await;
    let endpoints = vec![Endpoint::plain(application.address)];
    let proxy = Proxy::start(Setup::new("frontend").with(service(endpoints)));
    let mut client = http1(proxy.outbound()).await;
    for _ in 0..100 {
        let response = client.send_request(get("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(words(response).await, "ok");
    }
}

#[tokio::test]
async fn many_requests_at_a_time_share_few_connections() {
    let shop = Shop::open().await;
    let outbound = shop.client.outbound();
    let one = |_| {
        spawn(async move {
            let mut client = http1(outbound).await;
            for _ in 0..5 {
                let response = client.send_request(get("/")).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
                words(response).await;
            }
        })
    };
    let clients: Vec<_> = (0..200).map(one).collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(shop.client.counted("istio_requests_total", &["response_code=\"200\""]), 1_000.0);
}

#[tokio::test]
async fn a_pod_that_takes_connections_and_says_nothing_holds_no_request_up_for_long() {
    let silent = Application::tcp(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let silent = silent.await;
    let shop = Shop::open().await;
    let both = [silent.address, shop.servers[0].inbound()];
    let both = both.iter().map(|address| meshed(*address, "catalogue")).collect();
    shop.client.feed().push(Key::Endpoints(service_id()), endpoints(both));
    let outbound = shop.client.outbound();
    let requests = async move {
        let mut client = http1(outbound).await;
        for _ in 0..50 {
            let response = client.send_request(get("/")).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            words(response).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3), requests).await.expect("no one waits");
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_nothing_behind_on_either_side() {
    let (asked, mut heard) = tokio::sync::mpsc::channel(20);
    let application = Application::http(move |_| {
        let asked = asked.clone();
        async move {
            asked.send(()).await.unwrap();
            std::future::pending().await
        }
    });
    let application = application.await;
    let pair = Pair::start(application.address);
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = http1(pair.client.outbound()).await;
        clients.push(spawn(async move { client.send_request(get("/")).await.map(drop) }));
        heard.recv().await.unwrap();
    }
    assert_eq!(pair.client.plane.drain.in_flight(), 20);
    assert_eq!(pair.server.plane.drain.in_flight(), 20);
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    for proxy in [&pair.client, &pair.server] {
        proxy.plane.drain.begin(Instant::now() + Duration::from_secs(20));
        assert_eq!(proxy.plane.drain.finished().await, 0);
        let gone = ["response_flags=\"DC\"", "response_code=\"0\""];
        assert_eq!(proxy.counted("istio_requests_total", &gone), 20.0);
    }
}

/// An application of HTTP/2 that takes connections and refuses every request on them.
async fn refusing() -> Application {
    Application::tcp(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    })
    .await
}

#[tokio::test]
async fn a_request_that_an_application_refuses_to_begin_with_is_sent_elsewhere() {
    let authority = Authority::fresh();
    let applications = [refusing().await, echo().await];
    let servers = applications.each_ref().map(|application| {
        let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
        Proxy::start(setup.serving(application.address, MtlsMode::Strict))
    });
    let both = servers.iter().map(|server| meshed(server.inbound(), "catalogue")).collect();
    let setup = Setup::new("frontend").identity(authority.identity("frontend"));
    let proxy = Proxy::start(setup.with(service(both)));
    let mut client = http2(proxy.outbound()).await;
    for _ in 0..20 {
        // Not idempotent: it may be sent again because nobody began with it, and for no other
        // reason.
        let request = Request::post("http://catalogue/").body(full("hello")).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(words(response).await, "hello");
    }
    assert!(proxy.counted("serin_proxy_events_total", &["replayed"]) >= 1.0);
}

#[tokio::test]
async fn an_application_that_refuses_a_request_is_not_asked_twice() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&asked);
    let application = Application::tcp(move |stream| {
        let asked = Arc::clone(&counting);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                asked.fetch_add(1, Ordering::Relaxed);
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            }
        }
    });
    let application = application.await;
    let setup = Setup::new("catalogue");
    let server = Proxy::start(setup.serving(application.address, MtlsMode::Permissive));
    let request = Request::post("http://catalogue/").body(full("hello")).unwrap();
    let response = http2(server.inbound()).await.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_application_that_ends_each_connection_after_a_request_serves_all_of_them() {
    let application = Application::tcp(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let Some(Ok((_, mut respond))) = connection.accept().await else { return };
        respond.send_response(http::Response::new(()), true).unwrap();
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
    });
    let application = application.await;
    let pair = Pair::start(application.address);
    let mut client = http2(pair.client.outbound()).await;
    for _ in 0..100 {
        let request = Request::post("http://catalogue/").body(full("hello")).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        words(response).await;
    }
}

#[tokio::test]
async fn the_first_request_finds_the_one_of_six_endpoints_that_is_left() {
    let application = echo().await;
    let mut endpoints = vec![Endpoint::plain(application.address)];
    for _ in 0..5 {
        // It closes at once, and nobody listens there any more.
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        endpoints.push(Endpoint::plain(gone.local_addr().unwrap()));
    }
    // Which endpoint is asked first is a matter of luck, and each proxy has its own.
    for _ in 0..20 {
        let proxy = Proxy::start(Setup::new("frontend").with(service(endpoints.clone())));
        let response = http1(proxy.outbound()).await.send_request(get("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}
