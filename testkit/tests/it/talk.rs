//! Claims about conversations, and about servers that leave in the middle of them.

use std::net::SocketAddr;

use testkit::{
    collect::Report,
    load::{Second, Stats},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::process::Process;

/// A manner of talking, the scheme of its URL, and the server it is for.
const MANNERS: [(&str, &str, &str); 4] = [
    ("lines", "tcp", "tcp-echo"),
    ("websocket", "ws", "server"),
    ("beats", "http", "server"),
    ("receipts", "http", "server"),
];

async fn server(kind: &str) -> (Process, SocketAddr) {
    Process::serving(&[kind, "--port", "0", "--bind", "127.0.0.1", "--say-goodbye"]).await
}

fn talk(manner: &str, url: &str, extra: &[&str]) -> Process {
    let args = ["load", "--talk", manner, "--url", url, "--rate", "100", "--every", "5ms"];
    Process::start(&[&args[..], extra].concat())
}

async fn summary(mut load: Process) -> Stats {
    let stats = load.next().await;
    assert_eq!(load.exit_code().await, 0);
    stats
}

#[tokio::test]
async fn every_message_of_every_conversation_is_answered() {
    for (manner, scheme, kind) in MANNERS {
        let (_server, address) = server(kind).await;
        let url = format!("{scheme}://{address}/ws");
        let extra = ["--quiet", "--messages", "7", "--duration", "100ms"];
        let stats = summary(talk(manner, &url, &extra)).await;
        assert_eq!((stats.total, stats.ok, stats.failed), (10, 10, 0), "{manner}: {stats:?}");
        assert_eq!((stats.messages, stats.connections, stats.moves), (70, 10, 0), "{manner}");
    }
}

/// Carries each connection to whichever server is told to it, and ends it as the server does.
async fn in_front_of(first: SocketAddr, then: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = testkit::tasks::Tasks::default();
    tasks.clone().spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = match TcpStream::connect(first).await {
                Ok(server) => Ok(server),
                Err(_gone) => TcpStream::connect(then).await,
            };
            let mut server = server.unwrap();
            tasks.spawn(async move {
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    address
}

#[tokio::test]
async fn a_conversation_goes_on_elsewhere_when_its_server_says_goodbye() {
    for (manner, scheme, kind) in MANNERS.into_iter().filter(|(manner, ..)| *manner != "receipts") {
        let ((first, there), (_second, then)) = (server(kind).await, server(kind).await);
        let address = in_front_of(there, then).await;
        let url = format!("{scheme}://{address}/ws");
        let extra = ["--messages", "400", "--duration", "100ms"];
        let mut load = talk(manner, &url, &extra);
        // All ten have begun by then, and none is over before two seconds.
        load.next::<Second>().await;
        first.terminate().await;
        assert_eq!(first.exit_code().await, 0, "{manner}");
        let stats: Stats = loop {
            if let Ok(stats) = serde_json::from_value(load.next().await) {
                break stats;
            }
        };
        assert_eq!((stats.total, stats.failed), (10, 0), "{manner}: {stats:?}");
        assert_eq!((stats.messages, stats.moves), (4000, 10), "{manner}: {stats:?}");
    }
}

#[tokio::test]
async fn receipts_that_were_begun_are_given_to_the_end() {
    let (server, address) = server("server").await;
    let url = format!("http://{address}");
    let extra = ["--messages", "300", "--duration", "100ms"];
    let mut load = talk("receipts", &url, &extra);
    load.next::<Second>().await;
    server.terminate().await;
    let stats: Stats = loop {
        if let Ok(stats) = serde_json::from_value(load.next().await) {
            break stats;
        }
    };
    assert_eq!((stats.ok, stats.failed, stats.messages), (10, 0, 3000), "{stats:?}");
    assert_eq!(server.exit_code().await, 0);
}

/// Conversations with a server that answers two lines and then does `last` in a third.
async fn cut(last: &'static [u8], is_reset: bool) -> Stats {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    testkit::tasks::Tasks::default().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            for _ in 0..2 {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                stream.write_all(line.as_bytes()).await.unwrap();
            }
            if is_reset {
                // Closing over what was not read is a reset.
                stream.get_mut().readable().await.unwrap();
                continue;
            }
            stream.write_all(last).await.unwrap();
            stream.shutdown().await.unwrap();
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
    });
    let url = format!("tcp://{address}");
    let extra = ["--quiet", "--messages", "3", "--duration", "10ms"];
    summary(talk("lines", &url, &extra)).await
}

#[tokio::test]
async fn only_an_end_behind_a_whole_line_is_a_goodbye() {
    let stats = cut(b"", false).await;
    assert_eq!((stats.ok, stats.messages, stats.moves), (1, 3, 1), "{stats:?}");
    let stats = cut(b"li", false).await;
    assert_eq!((stats.failed, stats.by_failure["truncated"]), (1, 1), "{stats:?}");
    let stats = cut(b"", true).await;
    assert_eq!((stats.failed, stats.by_failure["closed"]), (1, 1), "{stats:?}");
    assert!(stats.failures[0].detail.ends_with(" after 2 answers"), "{stats:?}");
}

#[tokio::test]
async fn a_server_that_ends_a_connection_before_its_first_answer_has_failed_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    testkit::tasks::Tasks::default().spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.shutdown().await.unwrap();
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
    });
    let stats = summary(talk("lines", &url, &["--quiet", "--duration", "10ms"])).await;
    assert_eq!((stats.failed, stats.by_failure["closed"]), (1, 1), "{stats:?}");
}

#[tokio::test]
async fn a_generator_that_has_to_leave_ends_its_conversations_and_reports_them() {
    let (_collect, collect) = Process::serving(&["collect", "--port", "0"]).await;
    let report = format!("http://{collect}/");
    for (manner, scheme, kind) in MANNERS.into_iter().filter(|(manner, ..)| *manner != "receipts") {
        let (_server, address) = server(kind).await;
        let url = format!("{scheme}://{address}/ws");
        let extra = ["--messages", "1000000", "--name", manner, "--report", &report];
        let mut load = talk(manner, &url, &extra);
        load.next::<Second>().await;
        load.terminate().await;
        assert_eq!(load.exit_code().await, 0, "{manner}");
    }
    let mut client = Process::start(&["http-client", "--url", &report]);
    let testkit::client::http::Got::Answer(answer) = client.next().await else {
        panic!("no answer")
    };
    let reports: Vec<Report> = serde_json::from_str(&answer.body).unwrap();
    let names: Vec<_> = reports.iter().map(|report| report.name.as_str()).collect();
    assert_eq!(names, ["lines", "websocket", "beats"]);
    for Report { name, stats } in reports {
        assert!(stats.ok > 0 && stats.failed == 0 && stats.messages > 0, "{name}: {stats:?}");
    }
}
