//! The admin server over a real socket.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

async fn get(address: SocketAddr, path: &str) -> String {
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn start(admin: Admin) -> (SocketAddr, crate::tasks::Tasks) {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = crate::tasks::Tasks::new();
    tasks.spawn("admin", serve(listener, admin, tasks.token()));
    (address, tasks)
}

#[tokio::test]
async fn a_process_that_is_not_ready_says_what_it_waits_for() {
    let readiness = Readiness::new();
    let pending = readiness.token("a certificate");
    let (address, _tasks) = start(Admin::new(readiness, Metrics::new())).await;
    let answer = get(address, "/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("waiting for a certificate"), "{answer}");
    pending.ready();
    assert!(get(address, "/ready").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/live").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn paths_are_answered_by_their_own_method_only() {
    let admin = Admin::new(Readiness::new(), Metrics::new()).route(
        Method::POST,
        "/drain",
        |_request| async { text(StatusCode::OK, "draining") },
    );
    let (address, _tasks) = start(admin).await;
    assert!(get(address, "/drain").await.starts_with("HTTP/1.1 405"));
    assert!(get(address, "/nothing").await.starts_with("HTTP/1.1 404"));
    assert!(get(address, "/metrics").await.contains("openmetrics"));
}

#[tokio::test]
async fn the_server_ends_when_told() {
    let (_address, tasks) = start(Admin::new(Readiness::new(), Metrics::new())).await;
    assert_eq!(tasks.shutdown(Duration::from_secs(5)).await, crate::tasks::End::Clean);
}
