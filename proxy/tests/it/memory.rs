//! A process that holds as much memory as it may: a few are served, all others are told so soon.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use lab::{Authority, Proxy, Setup, meshed, service};
use model::{endpoint::Endpoint, inbound::MtlsMode};
use proxy::worker::Memory;
use tokio::{io::AsyncReadExt as _, net::TcpStream, sync::Semaphore, task::JoinSet, time::timeout};

use crate::talk::{Application, full, get, http1, http2, text, words};

/// An application that answers no sooner than it is let.
async fn patient(answers: &Arc<Semaphore>) -> Application {
    let answers = Arc::clone(answers);
    Application::http(move |_request| {
        let answers = Arc::clone(&answers);
        async move {
            answers.acquire().await.unwrap().forget();
            text("served")
        }
    })
    .await
}

fn start(application: SocketAddr, memory: Memory) -> Proxy {
    let setup = Setup::new("frontend").with(service(vec![Endpoint::plain(application)]));
    Proxy::start(Setup { memory, queue_limit: Duration::from_millis(100), ..setup })
}

/// Asks `count` times at once, over one connection; says what comes.
async fn ask(to: SocketAddr, count: usize) -> JoinSet<StatusCode> {
    let client = http2(to).await;
    let mut asked = JoinSet::new();
    for _ in 0..count {
        let mut client = client.clone();
        asked.spawn(async move { client.send_request(get("/")).await.unwrap().status() });
    }
    asked
}

#[tokio::test]
async fn a_process_without_room_serves_a_few_and_answers_503_to_all_others() {
    let answers = Arc::new(Semaphore::new(0));
    let application = patient(&answers).await;
    // Every process holds more than that.
    let proxy = start(application.address, Memory::of_process(Some(1)));
    let mut asked = ask(proxy.outbound(), FEW + 4).await;
    for _ in 0..4 {
        let told = timeout(Duration::from_secs(20), asked.join_next()).await;
        let status = told.expect("nobody waits for ever").unwrap().unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    answers.add_permits(FEW);
    assert!(asked.join_all().await.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(proxy.counted("istio_requests_total", &["response_flags=\"UO\""]), 4.0);
    assert_eq!(proxy.counted("serin_proxy_events_total", &["memory_spent"]), 4.0);
}

#[tokio::test]
async fn connections_wait_for_memory_in_vain_until_there_is_some_again() {
    let (held, answers) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
    let application = patient(&answers).await;
    let proxy = start(application.address, Memory::as_said(100, Arc::clone(&held)));
    let asked = ask(proxy.outbound(), FEW + 1).await;
    while proxy.plane.drain.in_flight() <= FEW {
        tokio::task::yield_now().await;
    }
    held.store(100, Ordering::Relaxed);
    // Nothing is sent on them: what ends them is the proxy.
    let turned_away = async {
        loop {
            let waiting = async { TcpStream::connect(proxy.outbound()).await?.read_u8().await };
            if matches!(timeout(Duration::from_secs(1), waiting).await, Ok(Err(_))) {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), turned_away).await.expect("nobody is let in");
    assert!(proxy.counted("serin_proxy_events_total", &["outbound_shed"]) >= 1.0);
    assert_eq!(proxy.counted("serin_proxy_events_total", &["outbound_full"]), 0.0);
    held.store(0, Ordering::Relaxed);
    answers.add_permits(FEW + 1);
    assert!(asked.join_all().await.iter().all(|status| *status == StatusCode::OK));
}

#[tokio::test]
async fn a_peer_is_told_that_nobody_has_begun_with_its_request() {
    let answers = Arc::new(Semaphore::new(0));
    let application = patient(&answers).await;
    let authority = Authority::fresh();
    let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
    let setup = Setup { memory: Memory::of_process(Some(1)), ..setup };
    let server = Proxy::start(setup.serving(application.address, MtlsMode::Strict));
    let setup = Setup::new("frontend").identity(authority.identity("frontend"));
    let endpoint = meshed(server.inbound(), "catalogue");
    let client = Proxy::start(setup.with(service(vec![endpoint])));
    let mut asked = ask(client.outbound(), FEW + 1).await;
    let told = timeout(Duration::from_secs(20), asked.join_next()).await;
    let status = told.expect("nobody waits for ever").unwrap().unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    // An answer of the application's own would have no flags there.
    assert_eq!(client.counted("istio_requests_total", &["response_flags=\"UF\""]), 1.0);
    answers.add_permits(FEW);
    assert!(asked.join_all().await.iter().all(|status| *status == StatusCode::OK));
}

#[tokio::test]
async fn while_memory_is_scarce_requests_with_bodies_are_served() {
    let application = Application::mirror().await;
    let memory = Memory::as_said(100, Arc::new(AtomicU64::new(80)));
    let setup = Setup::new("frontend").with(service(vec![Endpoint::plain(application.address)]));
    // Others may have the processor for longer than those who wait for memory are let wait.
    let proxy = Proxy::start(Setup { memory, ..setup });
    let mut client = http1(proxy.outbound()).await;
    let request = Request::post("/").header("host", "a").body(full(&"x".repeat(50_000))).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    drop(words(response).await);
    assert_eq!(proxy.counted("serin_proxy_events_total", &["memory_spent"]), 0.0);
}

/// How many are served whatever the memory.
const FEW: usize = 16;
