//! h2spec and h2specd: what they say.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// What a run says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// How many cases held.
    pub passed: usize,
    /// How many were left out.
    pub skipped: usize,
    /// Those that did not hold: section and case.
    pub failed: Vec<String>,
    /// What was expected of them, and what came, in h2spec's own words.
    pub failures: String,
}

/// Runs h2spec, or h2specd, and reads what it prints.
///
/// # Errors
/// If it does not come to its end.
pub fn run(command: &mut Command) -> Result<Report> {
    let output = command.stdin(Stdio::null()).output().context("cannot start h2spec")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    parse(&said).with_context(|| {
        format!("h2spec did not finish:\n{said}{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// The last line is `147 tests, 146 passed, 0 skipped, 1 failed`. What failed is listed above it,
/// after a heading.
fn parse(said: &str) -> Option<Report> {
    let summary = said.lines().rev().find(|line| line.contains(" tests, "))?;
    let number = |what: &str| -> Option<usize> {
        let part = summary.split(", ").find_map(|part| part.trim().strip_suffix(what))?;
        part.parse().ok()
    };
    let listed = said.split_once("Failures:").map_or("", |(_, listed)| listed);
    let failures = listed.split("Finished in").next().unwrap_or_default();
    let failed = cases(failures);
    let report = Report {
        passed: number(" passed")?,
        skipped: number(" skipped")?,
        failed,
        failures: failures.to_owned(),
    };
    (number(" failed")? == report.failed.len()).then_some(report)
}

/// `5.1. Stream States` is a section, and `× 8: closed: Sends a DATA frame` a case of it.
fn cases(failures: &str) -> Vec<String> {
    let (mut section, mut cases) = ("", Vec::new());
    for line in failures.lines().map(str::trim) {
        if let Some(case) = line.strip_prefix("× ") {
            let (_, case) = case.split_once(": ").unwrap_or(("", case));
            cases.push(format!("{section} {case}"));
        } else if let Some((number, _)) = line.split_once(". ")
            && number.starts_with(|first: char| first.is_ascii_digit())
        {
            section = number;
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_named_with_its_section() {
        let said = "  ✔ 1: one\n  × 2: two\n\nFailures: \n\n  5. Five\n    5.1. States\n      \
                    × 2: idle: two\n     Actual: Timeout\n\nFinished in 2.0 seconds\n\
                    2 tests, 1 passed, 0 skipped, 1 failed\n";
        let report = parse(said).unwrap();
        assert_eq!((report.passed, report.skipped), (1, 0));
        assert_eq!(report.failed, ["5.1 idle: two"]);
        assert!(report.failures.contains("Actual: Timeout"), "{}", report.failures);
    }

    #[test]
    fn a_run_that_was_cut_short_is_no_report() {
        assert_eq!(parse("  ✔ 1: one\nError: the server didn't receive the request\n"), None);
    }
}
