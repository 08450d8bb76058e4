//! One run of the binary: started, read line by line, told to stop, waited for.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use serde::de::DeserializeOwned;
use testkit::serve::Listening;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// Longer than anything here takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A running `testkit`; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stdin: Option<ChildStdin>,
}

impl Process {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_testkit"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin: child.stdin.take(), child, lines }
    }

    /// Starts a server and waits for the address of its first port.
    pub(crate) async fn serving(args: &[&str]) -> (Self, SocketAddr) {
        let mut process = Self::start(args);
        let address = process.next::<Listening>().await.listening;
        let local = SocketAddr::from(([127, 0, 0, 1], address.port()));
        (process, local)
    }

    /// The next line of standard output.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> T {
        let line = timeout(DEADLINE, self.lines.next_line()).await.unwrap().unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends SIGTERM and waits until nobody listens on `address` any more.
    pub(crate) async fn stop_listening(&self, address: SocketAddr) {
        self.terminate().await;
        timeout(DEADLINE, async {
            // A SYN that meets the port in the middle of closing is lost, and sent again a second
            // later: that is no answer, so it is asked anew.
            let ask = || timeout(Duration::from_millis(50), TcpStream::connect(address));
            while !matches!(ask().await, Ok(Err(_refused))) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    pub(crate) async fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }

    /// Waits for the end and returns the exit code.
    pub(crate) async fn exit_code(mut self) -> i32 {
        timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap().code().unwrap()
    }
}
