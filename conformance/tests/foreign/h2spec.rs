//! h2spec asks the proxy as a server of HTTP/2, h2specd as a client.
//!
//! Behind the proxy is nginx, which does not pass h2spec itself: what h2spec sees is the proxy.

use std::{fmt::Write as _, fs, net::SocketAddr};

use conformance::{address, h2spec, programs, table::Table, upstream::Upstream};
use lab::{Pair, Proxy, Setup, service};
use model::{endpoint::Endpoint, inbound::MtlsMode};

/// Shows what h2spec says, which must be that nothing failed but `deviations`.
fn judge(what: &str, report: &h2spec::Report, cases: usize, deviations: &[&str]) {
    let mut table = Table::of(&["h2spec", "passed", "skipped", "failed"]);
    let numbers = [report.passed, report.skipped, report.failed.len()];
    table.row([what.to_owned()].into_iter().chain(numbers.map(|number| number.to_string())));
    println!("{table}");
    assert_eq!(report.failed, deviations, "{}", report.failures);
    assert_eq!(report.passed + deviations.len(), cases);
}

/// All cases, those for what RFC 9113 only recommends included.
fn ask(server: SocketAddr) -> h2spec::Report {
    let mut command = programs::built("h2spec", "h2spec").unwrap();
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    command.args(["--host", &host, "--port", &port, "--strict"]);
    h2spec::run(&mut command).unwrap()
}

#[test]
fn a_client_of_http2_finds_its_own_proxy_in_order() {
    let nginx = Upstream::nginx().unwrap();
    let proxy = towards(nginx.http2.unwrap());
    judge("outbound", &ask(proxy.outbound()), SERVER_CASES, &[]);
}

#[test]
fn a_client_of_http2_finds_the_proxy_of_another_pod_in_order() {
    let nginx = Upstream::nginx().unwrap();
    let setup = Setup::new("catalogue").serving(nginx.http2.unwrap(), MtlsMode::Permissive);
    let proxy = Proxy::start(setup);
    judge("inbound", &ask(proxy.inbound()), SERVER_CASES, &[]);
}

#[test]
fn a_client_of_http2_finds_a_pair_of_proxies_in_order() {
    let nginx = Upstream::nginx().unwrap();
    let pair = Pair::start(nginx.http2.unwrap());
    judge("outbound, inbound", &ask(pair.client.outbound()), SERVER_CASES, &[]);
}

fn towards(server: SocketAddr) -> Proxy {
    Proxy::start(Setup::new("frontend").with(service(vec![Endpoint::plain(server)])))
}

/// h2specd is a server with a port for each case, so each has a proxy that leads there; the
/// proxy's client is curl.
fn serve(section: &[&str], cases: u16, curl: &str) -> h2spec::Report {
    let server = address::own(FIRST_PORT);
    let ports = FIRST_PORT..FIRST_PORT + cases;
    let cases = ports.map(|port| SocketAddr::new(server.ip(), port));
    let proxies: Vec<_> = cases.map(|case| (case, towards(case))).collect();
    let mut settings = String::from("silent\nhttp2-prior-knowledge\nmax-time = 2\nnoproxy = *\n");
    for (case, proxy) in &proxies {
        writeln!(settings, "connect-to = {case}:{}", proxy.outbound()).unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), settings).unwrap();
    let client = format!("curl --config {}{curl}", file.path().to_str().unwrap());
    let mut command = programs::built("h2spec", "h2specd").unwrap();
    command.args(["--host", &server.ip().to_string(), "--from-port", &FIRST_PORT.to_string()]);
    h2spec::run(command.args(["--strict", "--exec", &client]).args(section)).unwrap()
}

#[test]
fn a_server_of_http2_finds_the_proxy_in_order() {
    let report = serve(&[], CLIENT_CASES, "");
    judge("as a client", &report, CLIENT_CASES.into(), &DEVIATIONS);
}

#[test]
fn a_server_of_http2_that_overflows_a_window_in_use_is_told_so() {
    let report = serve(&["client/6.9"], WINDOW_CASES, " --upload-file /dev/zero --limit-rate 10k");
    judge("as a client that uploads", &report, WINDOW_CASES.into(), &[]);
}

/// What RFC 7540, which h2spec is about, demanded, and RFC 9113 does not. `docs/protocols.md` has
/// the words.
const DEVIATIONS: [&str; 3] = [
    "5.1 closed: Sends a DATA frame",
    "5.1 closed: Sends a HEADERS frame",
    "6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 \
     on a stream",
];
const SERVER_CASES: usize = 147;
const CLIENT_CASES: u16 = 57;
const WINDOW_CASES: u16 = 5;
const FIRST_PORT: u16 = 30_000;
