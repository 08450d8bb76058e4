//! Long-running processes: started once, found again by later runs, and ended by what was recorded
//! at their start.
//!
//! A record holds the pid, its start time and the boot it belongs to, so that a pid somebody else
//! got meanwhile is never taken for ours.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::network;
use crate::command;
use crate::progress::Stopwatch;

/// A process of a node as it should run.
#[derive(Debug)]
pub(crate) struct Daemon<'a> {
    pub(crate) name: &'static str,
    /// The node's directory: the record and the log lie in it.
    pub(crate) dir: &'a Path,
    pub(crate) netns: &'a str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Daemon<'_> {
    /// Starts it unless it runs as it should already.
    pub(crate) fn ensure(&self) -> Result<()> {
        let path = record_path(self.dir, self.name);
        if let Some(record) = Record::read(&path)
            && record.is_alive()
        {
            if record.command == self.command() {
                return Ok(());
            }
            record.end(GENTLY)?;
        }
        let record = self.start()?;
        fs::write(&path, serde_json::to_string(&record)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn start(&self) -> Result<Record> {
        let log = log_path(self.dir, self.name);
        if let Some(parent) = log.parent() {
            fs::create_dir_all(parent)?;
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        // setsid and nsenter each replace themselves, so that the pid is the program's own.
        let inside = network::inside(self.netns, &self.program);
        let child = Command::new("setsid")
            .arg(inside.get_program())
            .args(inside.get_args())
            .args(&self.arguments)
            .current_dir(self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let pid = child.id();
        let start = start_time(pid).with_context(|| format!("{} ended at once", self.name))?;
        Ok(Record { pid, start, boot: boot_id()?, command: self.command() })
    }

    fn command(&self) -> Vec<String> {
        std::iter::once(self.program.display().to_string())
            .chain(self.arguments.iter().cloned())
            .collect()
    }
}

/// Whether the process recorded under this name still runs.
pub(crate) fn is_alive(dir: &Path, name: &str) -> bool {
    Record::read(&record_path(dir, name)).is_some_and(|record| record.is_alive())
}

/// Ends the recorded process at once and forgets it: what it would save is deleted anyway.
pub(crate) fn kill(dir: &Path, name: &str) -> Result<()> {
    let path = record_path(dir, name);
    if let Some(record) = Record::read(&path) {
        record.end(AT_ONCE)?;
        fs::remove_file(&path)?;
    }
    Ok(())
}

/// Ends every process of one program that works in a directory of ours.
pub(crate) fn end_working_in(dir: &Path, program: &str) -> Result<()> {
    for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
        let is_ours = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == dir)
            && fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe.ends_with(program));
        let pid = entry.file_name().to_string_lossy().parse().ok();
        if let Some(pid) = pid.filter(|_| is_ours)
            && let Some(start) = start_time(pid)
        {
            let command = vec![program.to_owned()];
            Record { pid, start, boot: boot_id()?, command }.end(AT_ONCE)?;
        }
    }
    Ok(())
}

pub(crate) fn log_path(dir: &Path, name: &str) -> PathBuf {
    dir.join("log").join(format!("{name}.log"))
}

/// Changes with every start of the machine.
pub(crate) fn boot_id() -> Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("no boot id")?;
    Ok(id.trim().to_owned())
}

/// Asks again and again until the answer is yes.
pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    mut is_so: impl FnMut() -> bool,
) -> Result<()> {
    let watch = Stopwatch::start();
    while !is_so() {
        if watch.elapsed() > limit {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        thread::sleep(BETWEEN_QUESTIONS);
    }
    Ok(())
}

/// What is known of a process that was started.
#[derive(Debug, Deserialize, Serialize)]
struct Record {
    pid: u32,
    /// In clock ticks since the machine started.
    start: u64,
    boot: String,
    command: Vec<String>,
}

impl Record {
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }

    fn is_alive(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot) && start_time(self.pid) == Some(self.start)
    }

    fn end(&self, signals: &[(&str, Duration)]) -> Result<()> {
        for (signal, patience) in signals {
            if !self.is_alive() {
                return Ok(());
            }
            // It may end by itself in between, which is as good.
            command::succeeds(Command::new("kill").arg(signal).arg(self.pid.to_string()));
            if wait_until("end a process", *patience, || !self.is_alive()).is_ok() {
                return Ok(());
            }
        }
        bail!("process {} does not end: {}", self.pid, self.command.join(" "))
    }
}

/// When a process started; `None` if there is none or only its remains.
fn start_time(pid: u32) -> Option<u64> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc_pid_stat(5): the name may hold anything, so count from its closing parenthesis.
fn parse_stat(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn record_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.pid"))
}

const BETWEEN_QUESTIONS: Duration = Duration::from_millis(50);
const AT_ONCE: &[(&str, Duration)] = &[("-KILL", Duration::from_secs(10))];
const GENTLY: &[(&str, Duration)] =
    &[("-TERM", Duration::from_secs(8)), ("-KILL", Duration::from_secs(10))];

#[cfg(test)]
mod tests {
    use super::*;

    fn record(pid: u32, start: u64, boot: &str) -> Record {
        Record { pid, start, boot: boot.to_owned(), command: Vec::new() }
    }

    #[test]
    fn the_start_time_is_found_behind_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        assert_eq!(parse_stat(stat), Some(4242));
    }

    #[test]
    fn what_is_left_of_a_process_that_ended_does_not_count() {
        let stat = "7 (a) Z 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        assert_eq!(parse_stat(stat), None);
    }

    #[test]
    fn only_the_process_that_was_recorded_is_ended() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        let start = start_time(pid).unwrap();
        let boot = boot_id().unwrap();

        // Somebody else got the pid, in this boot or another.
        record(pid, start + 1, &boot).end(AT_ONCE).unwrap();
        record(pid, start, "another boot").end(AT_ONCE).unwrap();
        assert!(record(pid, start, &boot).is_alive());

        record(pid, start, &boot).end(AT_ONCE).unwrap();
        assert!(!record(pid, start, &boot).is_alive());
        child.wait().unwrap();
    }
}
