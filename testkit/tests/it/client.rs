//! Claims about the clients, each against the server it is for.

use testkit::{
    client::{
        dns::Resolved,
        grpc::Called,
        http::{Answer, Got},
        job::Done,
        upload::Uploaded,
        watch::{Watched, Watching},
        websocket::Echoed,
    },
    server::Described,
};

use crate::process::Process;

async fn server(extra: &[&str]) -> (Process, String) {
    let args = ["server", "--port", "0", "--bind", "127.0.0.1", "--version", "v2"];
    let args: Vec<_> = args.into_iter().chain(extra.iter().copied()).collect();
    let (process, address) = Process::serving(&args).await;
    (process, format!("http://{address}"))
}

async fn http(args: &[&str]) -> (Got, i32) {
    let args: Vec<_> = ["http-client", "--url"].iter().chain(args).copied().collect();
    let mut client = Process::start(&args);
    (client.next().await, client.exit_code().await)
}

#[tokio::test]
async fn an_http_client_shows_the_answer_and_exits_by_its_status() {
    let (_server, url) = server(&[]).await;
    for (extra, protocol) in [(&[][..], "HTTP/1.1"), (&["--h2c"], "HTTP/2.0")] {
        let args = [&[url.as_str(), "--header", "x-user:me"], extra].concat();
        let (Got::Answer(answer), 0) = http(&args).await else { panic!("no success") };
        let Answer { status, headers, body, .. } = answer;
        assert_eq!((status, &*headers["x-version"]), (200, "v2"));
        let seen: Described = serde_json::from_str(&body).unwrap();
        assert_eq!((seen.header("x-user"), &*seen.protocol), (Some("me"), protocol));
    }
    let (Got::Answer(answer), 1) = http(&[&format!("{url}/status/404")]).await else {
        panic!("no answer")
    };
    assert_eq!(answer.status, 404);
    let (Got::Nothing { .. }, 2) = http(&["http://127.0.0.1:1/"]).await else {
        panic!("somebody answered")
    };
}

#[tokio::test]
async fn an_upload_arrives_whole_however_it_is_sent() {
    let (_server, url) = server(&[]).await;
    let url = format!("{url}/upload");
    for extra in [&[][..], &["--chunked"], &["--h2c"]] {
        let args = [&["upload", "--url", &url, "--bytes", "3MiB"], extra].concat();
        let mut client = Process::start(&args);
        assert_eq!(client.next::<Uploaded>().await.received.bytes, 3 << 20);
        assert_eq!(client.exit_code().await, 0);
    }
}

#[tokio::test]
async fn a_websocket_client_hears_every_message_back() {
    let (_server, url) = server(&[]).await;
    let url = format!("{}/ws", url.replace("http:", "ws:"));
    let mut client = Process::start(&["ws-client", "--url", &url, "--count", "5"]);
    assert_eq!(client.next::<Echoed>().await.messages, 5);
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn a_grpc_client_makes_calls_of_three_kinds() {
    let (_server, url) = server(&["--pod", "payment-1"]).await;
    for call in ["pay", "receipts", "settle"] {
        let mut client = Process::start(&["grpc-client", "--url", &url, call, "--count", "7"]);
        let called: Called = client.next().await;
        assert_eq!(called.count, 7, "{call}");
        assert_eq!(called.pod == "payment-1", call == "pay");
        assert_eq!(client.exit_code().await, 0);
    }
}

#[tokio::test]
async fn a_grpc_call_that_fails_is_an_exit_code() {
    let (_server, url) = server(&["--error-ratio", "1"]).await;
    let client = Process::start(&["grpc-client", "--url", &url, "pay"]);
    assert_eq!(client.exit_code().await, 1);
}

#[tokio::test]
async fn a_watch_that_is_told_to_stop_ends_whole() {
    let (_server, url) = server(&[]).await;
    let mut client = Process::start(&["grpc-client", "--url", &url, "watch", "--every", "5ms"]);
    assert_eq!(client.next::<Watching>().await.version, "v2");
    client.terminate().await;
    let watched: Watched = client.next().await;
    assert!(watched.is_whole() && watched.sent > 0, "{watched:?}");
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn a_watch_ends_whole_after_its_duration_while_the_server_is_stopping() {
    let (server, url) = server(&[]).await;
    let watch = ["grpc-client", "--url", &url, "watch", "--every", "5ms", "--duration", "500ms"];
    let mut client = Process::start(&watch);
    client.next::<Watching>().await;
    server.terminate().await;
    let watched: Watched = client.next().await;
    assert!(watched.is_whole() && watched.heard > 10, "{watched:?}");
    assert_eq!((client.exit_code().await, server.exit_code().await), (0, 0));
}

#[tokio::test]
async fn a_watch_whose_server_dies_says_so() {
    let (server, url) = server(&[]).await;
    let watch = ["grpc-client", "--url", &url, "watch", "--every", "5ms", "--duration", "20s"];
    let mut client = Process::start(&watch);
    client.next::<Watching>().await;
    drop(server);
    let watched: Watched = client.next().await;
    assert!(watched.broken.is_some() && !watched.is_whole());
    assert_eq!(client.exit_code().await, 1);
}

#[tokio::test]
async fn a_job_ends_well_only_if_every_request_did() {
    let (_server, url) = server(&[]).await;
    for (path, ok, code) in [("/", 3, 0), ("/status/503", 0, 1)] {
        let url = format!("{url}{path}");
        let mut job = Process::start(&["job", "--count", "3", "--url", &url]);
        let done: Done = job.next().await;
        assert_eq!((done.ok, done.failed), (ok, 3 - ok));
        assert_eq!(job.exit_code().await, code);
    }
}

#[tokio::test]
async fn a_name_resolves_to_its_addresses() {
    let mut client = Process::start(&["dns", "localhost"]);
    let resolved: Resolved = client.next().await;
    assert!(resolved.addresses.iter().all(std::net::IpAddr::is_loopback));
    assert!(!resolved.addresses.is_empty());
}

#[tokio::test]
async fn a_sleeper_wakes_when_it_has_slept_enough() {
    let sleeper = Process::start(&["sleep", "--duration", "1ms"]);
    assert_eq!(sleeper.exit_code().await, 0);
}
