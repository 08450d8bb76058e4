//! What a process has cost so far, from the kernel's own books.

use std::fs;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// What a process has cost so far.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Usage {
    /// Nanoseconds on a processor, of all its threads.
    pub cpu_ns: u64,
    /// Resident memory in KiB.
    pub rss_kb: u64,
}

/// Reads the books of a process that runs.
///
/// # Errors
/// If it runs no more.
pub fn of(pid: u32) -> Result<Usage> {
    let mut cpu_ns = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context("a process is gone")? {
        // Threads may end while they are looked at.
        if let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) {
            cpu_ns += on_processor(&text).unwrap_or(0);
        }
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("a process is gone")?;
    Ok(Usage { cpu_ns, rss_kb: resident(&status).context("no VmRSS in /proc/PID/status")? })
}

/// `<ns on a processor> <ns waiting> <times>`
fn on_processor(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// `VmRSS:     1234 kB`
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_books_are_read() {
        assert_eq!(on_processor("123456 78 9\n"), Some(123_456));
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2048));
        assert!(of(std::process::id()).unwrap().rss_kb > 0);
    }
}
