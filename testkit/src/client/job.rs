//! `job`: a fixed number of requests, then the end; what a Kubernetes Job would do.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::http::{self, Got, HttpArgs};
use crate::{flags, output};

/// Flags of `testkit job`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  testkit job --url http://web:8080/ --count 10
Exits with 0 if every request was answered with 2xx, with 1 otherwise.")]
pub struct JobArgs {
    /// How many requests, one after the other
    #[arg(long, default_value = "10")]
    pub count: u32,
    /// How long to rest between them
    #[arg(long, default_value = "0ms", value_parser = flags::duration)]
    pub rest: Duration,
    /// Which
    #[command(flatten)]
    pub request: HttpArgs,
}

/// How the job went.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Done {
    /// Requests answered with 2xx.
    pub ok: u32,
    /// All others.
    pub failed: u32,
    /// What came of the last of those, in words.
    pub last_failure: Option<String>,
}

/// Does the job and returns the exit code.
///
/// # Errors
/// When standard output is gone.
pub async fn run(args: &JobArgs) -> anyhow::Result<u8> {
    let mut done = Done::default();
    for number in 0..args.count {
        if number > 0 && !args.rest.is_zero() {
            tokio::time::sleep(args.rest).await;
        }
        let got = http::request(&args.request).await;
        if got.exit_code() == 0 {
            done.ok += 1;
            continue;
        }
        done.failed += 1;
        done.last_failure = Some(match got {
            Got::Answer(answer) => answer.status.to_string(),
            Got::Nothing { error } => error,
        });
    }
    output::line(&done)?;
    Ok(u8::from(done.failed > 0))
}
