//! A process that lasts as long as whoever started it wants, and no longer.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

/// A process, killed when it is dropped.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: Process,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts a program on one core.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(core: &str, program: &Path, args: &[&str]) -> Result<Self> {
        let mut process = Command::new("taskset")
            .args(["-c", core])
            .arg(program)
            .args(args)
            // As Serin's image has it. No peer knows these but the minimal one with the same
            // allocator, and huge pages are to it what they are to us.
            .envs(ALLOCATOR)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let (input, output) = (process.stdin.take(), process.stdout.take().map(BufReader::new));
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, process, input, output })
    }

    /// Its number; taskset makes way for the program, so it is the program's own.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it says next, as JSON.
    ///
    /// # Errors
    /// If it says something else, or has ended.
    pub fn line<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        let output = self.output.as_mut().context("nobody listens to it")?;
        if output.read_line(&mut line)? == 0 {
            bail!("{} ended: {}", self.name, self.process.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("{} said {line:?}", self.name))
    }

    /// Asks it to say something.
    ///
    /// # Errors
    /// As [`Child::line`].
    pub fn ask<T: DeserializeOwned>(&mut self) -> Result<T> {
        let input = self.input.as_mut().context("it does not listen")?;
        input.write_all(b"\n")?;
        input.flush()?;
        self.line()
    }

    /// Waits until it takes connections.
    ///
    /// # Errors
    /// If it ends, or takes too long.
    pub fn wait_until_it_listens(&mut self, at: SocketAddr) -> Result<()> {
        for _ in 0..TRIES {
            if TcpStream::connect(at).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended: {status}", self.name);
            }
            thread::sleep(BETWEEN_TRIES);
        }
        bail!("{} does not listen at {at}", self.name)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended already, or it does now.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

const TRIES: u32 = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The same as in `xtask/src/image/part.rs`.
const ALLOCATOR: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "10"), ("MIMALLOC_ALLOW_THP", "0")];
