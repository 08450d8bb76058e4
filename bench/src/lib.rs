//! What Serin costs beside other proxies: processor time per request and per byte, added latency,
//! handshakes, memory.
//!
//! Everything runs interleaved in one run, on loopback: the load generator and the upstream on one
//! core, the proxy, or both of a pair, on another. Costs are read from the kernel's books, not from
//! the clock, and only ratios within a round are judged. `cargo xtask bench` builds all of it and
//! runs it; docs/performance.md says what came of it.
//!
//! | room | holds |
//! |---|---|
//! | [`load`], [`upstream`] | who asks and who answers |
//! | [`minimal`], [`pod`] | the least that a proxy on hyper can do, and Serin as a pod has it |
//! | [`launch`] | how each proxy is configured and started |
//! | [`scenario`], [`measure`] | what is measured, and the measuring |
//! | [`figures`], [`report`] | medians, ratios and goals; how they are shown and kept |
//! | [`services`] | the many services of a mesh |
//! | [`plan`] | what a run is asked for |
//! | [`accounting`], [`certificates`], [`frames`], [`socket`] | tools of the above |

pub mod accounting;
pub mod certificates;
pub mod figures;
pub mod frames;
pub mod launch;
pub mod load;
pub mod measure;
pub mod minimal;
pub mod plan;
pub mod pod;
pub mod report;
pub mod scenario;
pub mod services;
pub mod socket;
pub mod upstream;

use std::process::ExitCode;

use anyhow::Result;
use tokio::{runtime::Builder, task::LocalSet};

/// The service account of whoever asks.
pub const CLIENT: &str = "frontend";
/// The service account of whoever is asked.
pub const SERVER: &str = "catalogue";

/// Runs `work` on a single-threaded runtime, with as many open files as the kernel allows.
///
/// # Errors
/// What `work` fails with.
pub fn on_one_thread<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    allow_many_files()?;
    runtime::tls::install_provider();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(work))
}

/// Raises the limit on open files to what the kernel allows this process.
///
/// # Errors
/// If the kernel does not.
pub fn allow_many_files() -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// What a program ends with.
#[expect(clippy::print_stderr, reason = "the error's last stop")]
#[must_use]
pub fn end(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
