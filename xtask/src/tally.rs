//! Counts tests by what their harness prints.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::progress::Stopwatch;

/// How many tests ran.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs tests, shows what they print, and counts them. Failed tests are in the tally; an error
/// says that the command failed although no test did.
pub(crate) fn run(tests: &mut Command) -> Result<Tally> {
    let mut child = tests
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", command::line(tests)))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        let mut watch = Stopwatch::start();
        for line in BufReader::new(output).lines() {
            let line = line?;
            match parse(&line) {
                Some(found) => tally += found,
                None if is_noise(&line) => {}
                None if line.starts_with("test ") => {
                    println!("{}", with_time(&line, watch));
                    watch = Stopwatch::start();
                }
                None => println!("{line}"),
            }
        }
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        bail!("`{}` failed: {status}", command::line(tests));
    }
    Ok(tally)
}

/// The line of a test, with its time if a person would have noticed that.
fn with_time(line: &str, watch: Stopwatch) -> String {
    if watch.elapsed() < LONG { line.to_owned() } else { format!("{line} ({watch})") }
}

/// `test result: ok. 9 passed; 0 failed; 0 ignored; …`
fn parse(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut parts = counts.split("; ");
    let mut number = |what: &str| parts.next()?.strip_suffix(what)?.trim().parse().ok();
    Some(Tally { passed: number("passed")?, failed: number("failed")? })
}

/// Lines that say nothing of a test that failed or took long.
fn is_noise(line: &str) -> bool {
    let headings = ["running ", "....", "successes:"];
    line.is_empty() || headings.iter().any(|heading| line.starts_with(heading))
}

const LONG: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_own_summary_is_counted() {
        let line =
            "test result: FAILED. 28 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(parse(line), Some(Tally { passed: 28, failed: 1 }));
        assert_eq!(parse("test a_claim ... ok"), None);
    }
}
