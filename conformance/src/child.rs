//! A server of others, running until it is dropped.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts `command` and waits until somebody listens at `address`.
    ///
    /// # Errors
    /// If it cannot be started, ends at once, or does not listen in time.
    pub fn start(command: &mut Command, address: SocketAddr) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = child.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut server = Self { address, child };
        for _ in 0..ATTEMPTS {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                let mut said = String::new();
                if let Some(mut stderr) = server.child.stderr.take() {
                    stderr.read_to_string(&mut said)?;
                }
                bail!("{name} ended: {status}\n{said}");
            }
            thread::sleep(PAUSE);
        }
        bail!("{name} does not listen at {address}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked, since a server that is killed leaves its workers behind. It may have ended
        // already, which is as good.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

const ATTEMPTS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);
