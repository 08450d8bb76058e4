//! More than there is room for: what cannot be served is told so soon, and all is as before when
//! there is room again.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use http::StatusCode;
use lab::{Authority, Proxy, Setup, service};
use model::{endpoint::Endpoint, inbound::MtlsMode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::talk::{Application, get, http1, words};

#[tokio::test]
async fn a_connection_that_waits_for_too_long_is_reset_and_so_are_those_behind_it() {
    let application = Application::mirror().await;
    let setup = Setup::new("frontend").with(service(vec![Endpoint::plain(application.address)]));
    let queue_limit = Duration::from_millis(100);
    let proxy = Proxy::start(Setup { connections: 1, queue_limit, ..setup });
    let mut first = http1(proxy.outbound()).await;
    words(first.send_request(get("/")).await.unwrap()).await;
    for _ in 0..3 {
        // The reset may come before the client knows that it is connected.
        let waiting = async { TcpStream::connect(proxy.outbound()).await?.read_u8().await };
        let ended = timeout(Duration::from_secs(10), waiting).await;
        assert!(ended.expect("nobody waits for ever").is_err());
    }
    assert_eq!(proxy.counted("serin_proxy_events_total", &["outbound_shed"]), 3.0);
    drop(first);
    until_answered(proxy.outbound()).await;
}

/// Asks until there is room to be answered.
async fn until_answered(to: SocketAddr) {
    let answered = async {
        while !ask(to).await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 OK")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), answered).await.expect("there is room again");
}

async fn ask(to: SocketAddr) -> std::io::Result<String> {
    let mut client = TcpStream::connect(to).await?;
    client.write_all(ASK).await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.map(|_| answer)
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// A proxy in a process of its own, which may have few descriptors open.
struct Cramped {
    process: Child,
    orders: ChildStdin,
    results: BufReader<ChildStdout>,
}

impl Cramped {
    /// Starts it; `test` is the test's full name.
    fn start(test: &str, application: SocketAddr) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", &format!("ulimit -n {DESCRIPTORS}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(APPLICATION, application.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take().unwrap();
        let results = BufReader::new(process.stdout.take().unwrap());
        Self { process, orders, results }
    }

    fn result(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.results.read_line(&mut line).unwrap(), 0, "it died");
            if let Some((_, result)) = line.split_once(MARK) {
                return result.trim_end().to_owned();
            }
        }
    }

    /// Where connections of the pod's own, and those to it, are led.
    fn ways(&mut self) -> [SocketAddr; 2] {
        [self.result().parse().unwrap(), self.result().parse().unwrap()]
    }

    fn counted(&mut self, name: &str, label: &str) -> f64 {
        writeln!(self.orders, "{name} {label}").unwrap();
        self.result().parse().unwrap()
    }
}

impl Drop for Cramped {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What the other process does: it serves, and counts when it is asked to.
#[expect(clippy::print_stdout, reason = "another process reads it")]
fn serve(application: &str) {
    let application = application.parse().unwrap();
    let setup = Setup::new("catalogue").identity(Authority::fresh().identity("catalogue"));
    let setup = setup.serving(application, MtlsMode::Permissive);
    let proxy = Proxy::start(setup.with(service(vec![Endpoint::plain(application)])));
    println!("{MARK}{}", proxy.outbound());
    println!("{MARK}{}", proxy.inbound());
    for order in std::io::stdin().lines() {
        let order = order.unwrap();
        let (name, label) = order.split_once(' ').unwrap();
        println!("{MARK}{}", proxy.counted(name, &[label]));
    }
}

#[tokio::test]
async fn without_descriptors_requests_are_told_so_and_when_there_are_some_again_all_is_well() {
    const TEST: &str = "overload::\
        without_descriptors_requests_are_told_so_and_when_there_are_some_again_all_is_well";
    if let Some(application) = std::env::var_os(APPLICATION) {
        return serve(application.to_str().unwrap());
    }
    let application = Application::mirror().await;
    let mut proxy = Cramped::start(TEST, application.address);
    let [to, _] = proxy.ways();
    let mut clients = Vec::new();
    for _ in 0..2 * DESCRIPTORS {
        let mut client = TcpStream::connect(to).await.unwrap();
        client.write_all(ASK).await.unwrap();
        clients.push(client);
    }
    // The last in line get their answer when others have been told and are gone.
    let mut refused = 0;
    for mut client in clients {
        let mut answer = String::new();
        let ended = timeout(Duration::from_secs(20), client.read_to_string(&mut answer)).await;
        ended.expect("nobody waits for ever").unwrap();
        refused += usize::from(answer.starts_with("HTTP/1.1 503"));
        assert!(answer.starts_with("HTTP/1.1 503") || answer.starts_with("HTTP/1.1 200"));
    }
    assert!(refused > 0);
    let flagged = proxy.counted("istio_requests_total", "response_flags=\"UO\"");
    assert_eq!(flagged, refused as f64);
    assert!(proxy.counted("serin_proxy_events_total", "exhausted") >= flagged);
    assert_eq!(proxy.counted("serin_proxy_events_total", "connect_failed"), 0.0);
    let response = http1(to).await.send_request(get("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_descriptors_byte_streams_are_cut_and_nobody_is_blamed_for_it() {
    const TEST: &str =
        "overload::without_descriptors_byte_streams_are_cut_and_nobody_is_blamed_for_it";
    if let Some(application) = std::env::var_os(APPLICATION) {
        return serve(application.to_str().unwrap());
    }
    let application = Application::tcp(|mut stream| async move {
        // Who is cut is not answered.
        drop(stream.read_to_end(&mut Vec::new()).await);
    });
    let application = application.await;
    let mut proxy = Cramped::start(TEST, application.address);
    let mut all = 0.0;
    for to in proxy.ways() {
        let cut = streams_cut(to).await;
        assert!(cut > 0);
        assert!(proxy.counted("serin_proxy_events_total", "exhausted") >= cut as f64);
        assert_eq!(proxy.counted("serin_proxy_events_total", "connect_failed"), 0.0);
        all += cut as f64;
        for name in ["istio_tcp_connections_opened_total", "istio_tcp_connections_closed_total"] {
            assert_eq!(proxy.counted(name, "response_flags=\"UO\""), all, "{name}");
        }
    }
}

/// Opens more byte streams at once than there is room for; says how many were cut.
async fn streams_cut(to: SocketAddr) -> usize {
    let mut clients = Vec::new();
    for _ in 0..2 * DESCRIPTORS {
        let mut client = TcpStream::connect(to).await.unwrap();
        client.write_all(&[0, 1, 2]).await.unwrap();
        client.shutdown().await.unwrap();
        clients.push(client);
    }
    let mut cut = 0;
    for mut client in clients {
        let ended = timeout(Duration::from_secs(20), client.read_to_end(&mut Vec::new())).await;
        cut += usize::from(ended.expect("nobody waits for ever").is_err());
    }
    cut
}

/// Few enough to run out of, and more than a process needs to run.
const DESCRIPTORS: usize = 80;
const APPLICATION: &str = "SERIN_TEST_APPLICATION";
const MARK: &str = "@@ ";
