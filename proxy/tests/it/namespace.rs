//! A pod and a peer on two network namespaces of the test's own, joined by a cable.
//!
//! A test's process starts itself again in three roles: as the pod, root in a fresh network
//! namespace, where the claim is checked; as the peer, at the other end of the cable; and as users
//! of the pod. The last two are [`Agent`]s: they do what they are told, line by line.

#![expect(clippy::print_stdout, reason = "an agent answers on it")]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::time::Instant;

pub(crate) const POD: [&str; 2] = ["10.99.0.2", "[fd99::2]"];
/// Addresses beyond the cable that the peer answers on.
pub(crate) const FAR: [&str; 2] = ["198.51.100.5", "[2001:db8:99::5]"];

/// Another process, which opens connections when told to.
pub(crate) struct Agent {
    process: Child,
    orders: ChildStdin,
    results: BufReader<ChildStdout>,
}

/// Checks `claim` as root in a network namespace of its own, with a peer at the other end of a
/// cable. `test` is the test's full name.
pub(crate) fn in_pod(test: &str, claim: impl FnOnce(&Pod<'_>, &mut Agent)) {
    match std::env::var_os(ROLE).as_deref().and_then(|role| role.to_str()) {
        None => {
            let status = again(test, "pod", fresh_namespace()).status().expect("unshare starts");
            assert!(
                status.success(),
                "the claim failed in its namespace (root is needed to make one)"
            );
        }
        Some("pod") => {
            let mut peer = Agent::start(again(test, "agent", fresh_namespace()));
            join(&peer);
            peer.tell("listen");
            claim(&Pod { test }, &mut peer);
        }
        Some(_) => obey(),
    }
}

/// The pod, from inside.
pub(crate) struct Pod<'a> {
    test: &'a str,
}

impl Pod<'_> {
    /// A process of the pod that runs as `uid`.
    pub(crate) fn user(&self, uid: u32) -> Agent {
        let mut command = Command::new("/proc/self/exe");
        command.uid(uid);
        Agent::start(again(self.test, "agent", command))
    }
}

impl Agent {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("an agent starts");
        let orders = process.stdin.take().expect("an agent takes orders");
        let results = BufReader::new(process.stdout.take().expect("an agent answers"));
        let mut agent = Self { process, orders, results };
        assert_eq!(agent.result(), "ready");
        agent
    }

    /// Who answers at `to`, and what they say of the connection.
    pub(crate) fn connect(&mut self, to: &str) -> String {
        self.tell(&format!("connect {to}"))
    }

    /// What is answered to a request there.
    pub(crate) fn ask(&mut self, to: &str) -> String {
        self.tell(&format!("ask {to}"))
    }

    /// The same, from a chosen address.
    pub(crate) fn connect_from(&mut self, from: &str, to: &str) -> String {
        self.tell(&format!("connect {to} {from}"))
    }

    /// Asks the application at `to` whether it accepts connections, as a tcpSocket probe does.
    pub(crate) fn probe(&mut self, to: &str) -> String {
        self.tell(&format!("probe {to}"))
    }

    /// Runs `serin-proxy redirect` as the agent's user.
    pub(crate) fn redirect(&mut self) -> String {
        self.tell("redirect")
    }

    /// Carries bytes between whoever connects to its `port` and `to`.
    pub(crate) fn forward(&mut self, port: u16, to: &str) -> String {
        self.tell(&format!("forward {port} {to}"))
    }

    /// Loses the peer's address, so that nothing sent there arrives and nobody says so: a node
    /// without power.
    pub(crate) fn vanish(&mut self) -> String {
        self.tell("vanish")
    }

    fn tell(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").expect("the agent reads");
        self.result()
    }

    fn result(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.results.read_line(&mut line).expect("text"), 0, "the agent died");
            if let Some((_, result)) = line.split_once(MARK) {
                return result.trim_end().to_owned();
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Listens on `address` and tells each caller `<name> <where it wanted to go> from <where it came
/// from>`.
pub(crate) fn answer(name: &'static str, address: &str) {
    let listener = TcpListener::bind(address)
        .unwrap_or_else(|error| panic!("failed to listen on {address}: {error}"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            tell_caller(name, stream.expect("a connection"));
        }
    });
}

/// Carries bytes between whoever connects to `port` and `to`.
pub(crate) fn forward(port: u16, to: SocketAddr) {
    let listener = TcpListener::bind(("::", port)).expect("the port is free");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let near = stream.expect("a connection");
            let far = TcpStream::connect(to).expect("somebody listens");
            for (from, into) in [(&near, &far), (&far, &near)] {
                let (mut from, mut into) = (from.try_clone().unwrap(), into.try_clone().unwrap());
                // It may be cut at any time.
                thread::spawn(move || drop(io::copy(&mut from, &mut into)));
            }
        }
    });
}

fn tell_caller(name: &str, mut stream: TcpStream) {
    let socket = SockRef::from(&stream);
    // IPv4 on a socket for both families asks IPv4's half of the kernel.
    let local = stream.local_addr().expect("an address");
    let original = match local.ip().to_canonical() {
        IpAddr::V4(_) => socket.original_dst_v4(),
        IpAddr::V6(_) => socket.original_dst_v6(),
    };
    let to = original.ok().and_then(|address| address.as_socket()).unwrap_or(local);
    let to = SocketAddr::new(to.ip().to_canonical(), to.port());
    let from = stream.peer_addr().expect("an address").ip().to_canonical();
    // A caller that went away needs no answer.
    drop(writeln!(stream, "{name} {to} from {from}"));
}

/// The same process once more, in another role.
fn again(test: &str, role: &str, mut command: Command) -> Command {
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command
}

fn fresh_namespace() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net").arg("--").arg(std::env::current_exe().expect("a test has a path"));
    command
}

/// Lays the cable. Addresses come last: IPv6 takes its routes back for a moment when a link comes
/// up.
fn join(peer: &Agent) {
    let peer_pid = peer.process.id().to_string();
    let inside_peer = ["nsenter", "--net", "--target", &peer_pid];
    let peer_ip = |arguments: &str| {
        run(&[&inside_peer[..], &["ip"], &arguments.split(' ').collect::<Vec<_>>()].concat());
    };
    ip(&format!("link add eth0 type veth peer name eth0 netns {peer_pid}"));
    for device in ["lo", "eth0"] {
        ip(&format!("link set {device} up"));
        peer_ip(&format!("link set {device} up"));
    }
    until_plugged_in(&inside_peer);
    ip("address add 10.99.0.2/24 dev eth0");
    ip("-6 address add fd99::2/64 dev eth0 nodad");
    peer_ip("address add 10.99.0.1/24 dev eth0");
    peer_ip("-6 address add fd99::1/64 dev eth0 nodad");
    peer_ip("address add 198.51.100.5/32 dev lo");
    peer_ip("-6 address add 2001:db8:99::5/128 dev lo nodad");
    ip("route add default via 10.99.0.1");
    ip("-6 route add default via fd99::1 dev eth0");
}

fn until_plugged_in(inside_peer: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    let is_up = |command: &mut Command| {
        let output = command.args(["ip", "-oneline", "link", "show", "eth0"]).output();
        String::from_utf8_lossy(&output.expect("ip runs").stdout).contains("state UP")
    };
    while !is_up(&mut Command::new("env")) || !is_up(Command::new("env").args(inside_peer)) {
        assert!(Instant::now() < deadline, "the cable stays unplugged");
        thread::yield_now();
    }
}

pub(crate) fn ip(arguments: &str) {
    run(&[&["ip"], &arguments.split(' ').collect::<Vec<_>>()[..]].concat());
}

fn run(command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).status();
    assert!(status.expect("iproute2 and util-linux are installed").success(), "{command:?} failed");
}

/// What an agent does until nobody tells it anything any more.
fn obey() {
    println!("{MARK}ready");
    for order in io::stdin().lines() {
        let order = order.expect("text");
        let words: Vec<_> = order.split(' ').collect();
        let result = match words[..] {
            ["connect", to] => connect(to, None),
            ["connect", to, from] => connect(to, Some(from)),
            ["ask", to] => ask(to),
            ["listen"] => {
                answer("peer", "[::]:7000");
                "listening".to_owned()
            }
            ["forward", port, to] => {
                forward(port.parse().expect("a port"), to.parse().expect("an address and port"));
                "forwarding".to_owned()
            }
            ["vanish"] => {
                ip("address delete 10.99.0.1/24 dev eth0");
                "gone".to_owned()
            }
            ["probe", to] => probe(to),
            ["redirect"] => redirect(),
            _ => panic!("what is {order:?}?"),
        };
        println!("{MARK}{result}");
    }
}

fn redirect() -> String {
    match proxy::redirect::run(&proxy::redirect::Options::default()) {
        Ok(done) => done.to_string(),
        Err(error) => error.to_string(),
    }
}

fn probe(to: &str) -> String {
    let to: SocketAddr = to.parse().expect("an address and port");
    let probe = format!(r#"{{"/app/x/readiness": {{"kind": "tcp", "port": {}}}}}"#, to.port());
    let probes: proxy::probe::Probes = probe.parse().expect("a probe");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = probes.ask("/app/x/readiness", to.ip(), None);
    let verdict = runtime.expect("a runtime").block_on(asked).expect("there is such a probe");
    verdict.status.as_u16().to_string()
}

fn connect(to: &str, from: Option<&str>) -> String {
    let to = to.parse().expect("an address and port");
    match try_connect(to, from.map(|from| from.parse().expect("an address"))) {
        Ok(answer) => answer.trim_end().to_owned(),
        Err(error) => error.kind().to_string(),
    }
}

/// The last line of the answer to a request.
fn ask(to: &str) -> String {
    let to: SocketAddr = to.parse().expect("an address and port");
    let asked = || {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    match asked() {
        Ok(answer) => answer.lines().last().unwrap_or_default().to_owned(),
        Err(error) => error.kind().to_string(),
    }
}

fn try_connect(to: SocketAddr, from: Option<IpAddr>) -> io::Result<String> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

const ROLE: &str = "SERIN_TEST_ROLE";
/// Tells an agent's results from what the test harness prints.
const MARK: &str = "@@ ";
const PATIENCE: Duration = Duration::from_secs(3);
