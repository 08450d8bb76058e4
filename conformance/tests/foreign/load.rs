//! Load that others' tools make, through a pair of proxies: how much does not matter here, but
//! nothing may fail.

use std::process::{Command, Output};

use conformance::{address, child::Server, programs, upstream::Upstream};
use lab::Pair;

/// What `command` says, if it succeeds.
fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert!(status.success(), "{said}");
    said
}

/// The line of `said` that begins with `start`.
fn line<'a>(said: &'a str, start: &str) -> Option<&'a str> {
    said.lines().map(str::trim).find(|line| line.starts_with(start))
}

#[test]
fn wrk_sees_no_error() {
    let nginx = Upstream::nginx().unwrap();
    let pair = Pair::start(nginx.http1);
    let mut wrk = programs::installed("wrk").unwrap();
    let url = format!("http://{}/small", pair.client.outbound());
    let said = said(wrk.args(["--threads", "1", "--connections", "32", "--duration", "2s", &url]));
    println!("wrk, HTTP/1.1: {}", line(&said, "Requests/sec").unwrap());
    assert_eq!(line(&said, "Non-2xx"), None, "{said}");
    assert_eq!(line(&said, "Socket errors"), None, "{said}");
}

#[test]
fn h2load_sees_no_error() {
    let nginx = Upstream::nginx().unwrap();
    let pair = Pair::start(nginx.http2.unwrap());
    let mut h2load = programs::installed("h2load").unwrap();
    let url = format!("http://{}/small", pair.client.outbound());
    let said = said(h2load.args(["-c", "4", "-m", "32", "-n", "4000", &url]));
    println!("h2load, HTTP/2: {}", line(&said, "finished in").unwrap());
    let requests = line(&said, "requests:").unwrap();
    assert!(requests.contains("4000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
}

#[test]
fn fortio_sees_no_error() {
    let address = address::free().unwrap();
    let mut server = programs::built("fortio", "fortio").unwrap();
    let port = address.port().to_string();
    server.args(["server", "-http-port", "disabled", "-redirect-port", "disabled"]);
    server.args(["-tcp-port", "disabled", "-udp-port", "disabled", "-grpc-port", &port]);
    let _server = Server::start(&mut server, address).unwrap();
    let pair = Pair::start(address);
    let mut fortio = programs::built("fortio", "fortio").unwrap();
    fortio.args(["load", "-grpc", "-ping", "-quiet", "-qps", "0", "-c", "4", "-t", "2s"]);
    let said = said(fortio.args(["-s", "8", &pair.client.outbound().to_string()]));
    println!("fortio, gRPC: {}", line(&said, "Aggregated Function Time").unwrap());
    assert!(said.contains("Error cases : count 0 "), "{said}");
}
