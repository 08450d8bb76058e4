//! Claims about `testkit load`.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use testkit::{
    load::{Second, Stats},
    serve::Listening,
    server::admin::State,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::process::{DEADLINE, Process};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const HELLO_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// 100 requests in half a second, to the summary.
async fn half_a_second(address: SocketAddr, extra: &[&str]) -> Stats {
    let url = format!("http://{address}/");
    let args = ["load", "--quiet", "--rate", "200", "--duration", "500ms", "--url", &url];
    let args: Vec<_> = args.into_iter().chain(extra.iter().copied()).collect();
    let mut load = Process::start(&args);
    let stats = load.next().await;
    assert_eq!(load.exit_code().await, 0);
    stats
}

async fn server(extra: &[&str]) -> (Process, SocketAddr) {
    let args = ["server", "--port", "0", "--version", "v7"];
    let args: Vec<_> = args.into_iter().chain(extra.iter().copied()).collect();
    Process::serving(&args).await
}

/// A server of one line: what it does with the first requests of each connection, then it closes.
async fn scripted(answers: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accept = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            for answer in answers {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
                if stream.write_all(answer).await.is_err() {
                    break;
                }
            }
        }
    };
    testkit::tasks::Tasks::default().spawn(accept);
    address
}

#[tokio::test]
async fn every_request_due_is_sent_and_counted_whatever_carries_it() {
    let (_server, address) = server(&[]).await;
    for (extra, status) in [(&[][..], "200"), (&["--h2c"], "200"), (&["--grpc"], "grpc-0")] {
        let stats = half_a_second(address, extra).await;
        assert_eq!((stats.total, stats.ok, stats.failed), (100, 100, 0), "{stats:?}");
        assert_eq!(stats.by_status[status], 100);
        assert_eq!(stats.version("v7").total, 100);
        assert!(stats.connections <= 16);
        assert!(stats.latency.p50_us > 0 && stats.latency.p50_us <= stats.latency.max_us);
    }
}

#[tokio::test]
async fn without_keep_alive_every_request_has_its_own_connection() {
    let (_server, address) = server(&[]).await;
    let stats = half_a_second(address, &["--no-keepalive"]).await;
    assert_eq!((stats.ok, stats.connections), (100, 100));
}

#[tokio::test]
async fn an_error_status_is_a_failure_with_its_version_and_time() {
    let (_server, address) = server(&["--error-ratio", "1"]).await;
    for (extra, status) in [(&[][..], "500"), (&["--grpc"], "grpc-13")] {
        let stats = half_a_second(address, extra).await;
        assert_eq!((stats.failed, stats.by_failure["status"]), (100, 100));
        assert_eq!(stats.by_status[status], 100);
        assert_eq!(stats.version("v7").failed, 100);
        assert!(stats.since_unix_ms <= stats.first_failure_unix_ms.unwrap());
        assert!(stats.last_failure_unix_ms.unwrap() <= stats.now_unix_ms);
        assert_eq!((stats.failures.len(), &*stats.failures[0].detail), (20, status));
    }
}

#[tokio::test]
async fn nobody_there_is_a_failure_to_connect() {
    // A port that the kernel gives to nobody who does not ask for it.
    let stats = half_a_second(SocketAddr::from(([127, 0, 0, 1], 1)), &[]).await;
    assert_eq!((stats.failed, stats.by_failure["connect"], stats.connections), (100, 100, 0));
    assert_eq!(stats.version("none").failed, 100);
}

#[tokio::test]
async fn a_connection_that_ends_under_a_request_is_a_failed_request() {
    // Each connection answers once, reads the second request and closes without a word.
    let address = scripted(&[HELLO, b""]).await;
    let stats = half_a_second(address, &["--connections", "1"]).await;
    assert_eq!((stats.ok, stats.failed, stats.by_failure["closed"]), (50, 50, 50), "{stats:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failed_request() {
    let address = scripted(&[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"]).await;
    let stats = half_a_second(address, &[]).await;
    assert_eq!((stats.failed, stats.by_failure["truncated"]), (100, 100), "{stats:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_failed_request() {
    // Accepted by the kernel, and never by anybody else.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stats = half_a_second(
        listener.local_addr().unwrap(),
        &["--timeout", "20ms", "--connections", "64"],
    )
    .await;
    assert_eq!((stats.failed, stats.by_failure["timeout"]), (100, 100), "{stats:?}");
}

#[tokio::test]
async fn a_connection_that_announced_its_end_is_not_used_again() {
    let address = scripted(&[HELLO_CLOSE]).await;
    let stats = half_a_second(address, &[]).await;
    assert_eq!((stats.ok, stats.connections), (100, 100), "{stats:?}");
}

#[tokio::test]
async fn the_counts_can_be_read_and_reset_while_it_runs() {
    let (_server, address) = server(&[]).await;
    let url = format!("http://{address}/");
    let mut load = Process::start(&[
        "load",
        "--url",
        &url,
        "--rate",
        "100",
        "--serve",
        "127.0.0.1:0",
        "--until-stdin-closes",
    ]);
    let page = load.next::<Listening>().await.listening;
    let second: Second = load.next().await;
    assert!(second.ok > 0 && second.by_version["v7"] == second.ok, "{second:?}");
    let before: Stats = ask(page, "GET /stats").await;
    assert!(before.ok >= second.ok && before.failed == 0, "{before:?}");
    let reset: Stats = ask(page, "POST /reset").await;
    assert!(reset.total < before.total && reset.since_unix_ms >= before.now_unix_ms);
    load.close_stdin();
    assert_eq!(load.exit_code().await, 0);
}

#[tokio::test]
async fn what_fails_before_the_first_good_answer_is_not_counted_when_told_to_wait() {
    // The admin port is announced first.
    let (mut server, admin) = server(&["--admin-port", "0", "--error-ratio", "1"]).await;
    let address = server.next::<Listening>().await.listening;
    let url = format!("http://{address}/");
    let args = ["load", "--quiet", "--url", &url, "--wait", "30s", "--rate", "100"];
    let args = [&args[..], &["--duration", "200ms", "--serve", "127.0.0.1:0"]].concat();
    let mut load = Process::start(&args);
    load.next::<Listening>().await;
    let mut state: State = ask(admin, "GET /").await;
    while state.requests == 0 {
        state = ask(admin, "GET /").await;
    }
    let _: State = ask(admin, "POST /admin/error-ratio\n0").await;
    let stats: Stats = load.next().await;
    assert_eq!((stats.total, stats.failed), (20, 0), "{stats:?}");
}

#[tokio::test]
async fn waiting_in_vain_is_an_error() {
    let (_server, address) = server(&["--error-ratio", "1"]).await;
    let url = format!("http://{address}/");
    let load = Process::start(&["load", "--quiet", "--url", &url, "--wait", "200ms"]);
    assert_eq!(load.exit_code().await, 1);
}

#[tokio::test]
async fn a_generator_told_to_stop_prints_its_summary() {
    let (_server, address) = server(&[]).await;
    let url = format!("http://{address}/");
    let mut load = Process::start(&["load", "--url", &url, "--quiet", "--serve", "127.0.0.1:0"]);
    let page = load.next::<Listening>().await.listening;
    let running: Stats = ask(page, "GET /stats").await;
    load.terminate().await;
    let summary: Stats = load.next().await;
    assert!(summary.total >= running.total && summary.failed == 0);
    assert_eq!(load.exit_code().await, 0);
}

/// One request, `METHOD PATH` and maybe a body on a second line, for JSON.
async fn ask<T: DeserializeOwned>(page: SocketAddr, what: &str) -> T {
    let mut stream = TcpStream::connect(page).await.unwrap();
    let (what, body) = what.split_once('\n').unwrap_or((what, ""));
    let length = body.len();
    let head = format!("{what} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
    let request = format!("{head}content-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}
