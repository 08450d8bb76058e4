//! `sleep`: a pod that does nothing, for `kubectl exec`.

use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::flags;

/// Flags of `testkit sleep`.
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "Example:\n  testkit sleep --duration 1h")]
pub struct SleepArgs {
    /// How long; without it until SIGTERM
    #[arg(long, value_parser = flags::duration)]
    pub duration: Option<Duration>,
}

/// Sleeps until the duration is over or `stop`.
pub async fn run(args: SleepArgs, stop: CancellationToken) {
    let over = tokio::time::sleep(args.duration.unwrap_or(Duration::MAX));
    tokio::select! {
        () = stop.cancelled() => {}
        () = over => {}
    }
}
