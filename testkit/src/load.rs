//! The load generator: requests at times fixed beforehand, whatever becomes of the earlier ones
//! (an open loop), and counts of what a real client would have seen.
//!
//! Nothing is ever retried. A connection that announced its end, or is already seen closed, is not
//! used again, as no real client would; one that breaks under a request is a failed request.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::Args;
use http::{HeaderName, HeaderValue, Method, Uri};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{collect::Report, flags, identity::VERSION_HEADER, output, serve, tasks::Tasks};

mod exchange;
mod histogram;
mod lane;
mod outcome;
mod pace;
mod page;
mod plan;
mod stats;
mod talk;
mod tally;

pub use stats::{Failure, Latency, Second, Stats, VersionCount};
pub use talk::{Manner, TalkArgs};

/// Flags of `testkit load`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  testkit load --url http://web:8080/ --rate 200 --duration 30s
  testkit load --url http://payment:8080 --grpc --rate 50 --serve :9000
  testkit load --url ws://web:8080/ws --talk websocket --rate 1 --messages 60 --every 500ms")]
pub struct LoadArgs {
    /// What to request; with --grpc only the address counts
    #[arg(long, env = "TESTKIT_URL")]
    pub url: Uri,
    /// Requests a second
    #[arg(long, env = "TESTKIT_RATE", default_value = "200", value_parser = positive)]
    pub rate: f64,
    /// How many may be in flight, each on a connection of its own
    #[arg(long, env = "TESTKIT_CONNECTIONS", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: u16,
    /// How long; without it until SIGTERM
    #[arg(long, value_parser = flags::duration)]
    pub duration: Option<Duration>,
    /// Wait up to this long for a first good answer before the first request that counts
    #[arg(long, value_parser = flags::duration)]
    pub wait: Option<Duration>,
    /// End when standard input does
    #[arg(long)]
    pub until_stdin_closes: bool,
    /// How long a request may take, its connection included, before it has failed
    #[arg(long, default_value = "10s", value_parser = flags::duration)]
    pub timeout: Duration,
    /// How requests are carried
    #[command(flatten)]
    pub carry: CarryArgs,
    /// Conversations instead of requests
    #[command(flatten)]
    pub talk: TalkArgs,
    /// The method of the requests
    #[arg(long, default_value = "GET")]
    pub method: Method,
    /// How many bytes each request carries
    #[arg(long, default_value = "0", value_parser = flags::size)]
    pub body: u64,
    /// A header of every request, name:value; may be repeated
    #[arg(long = "header", value_parser = flags::header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The response header whose value is counted as the version
    #[arg(long, env = "TESTKIT_VERSION_HEADER", default_value_t = VERSION_HEADER)]
    pub version_header: HeaderName,
    /// Show the counts at GET /stats, and forget them at POST /reset, on :PORT or IP:PORT
    #[arg(long, env = "TESTKIT_SERVE", value_parser = flags::listen_address)]
    pub serve: Option<SocketAddr>,
    /// At the end report the counts to this URL of a `testkit collect`
    #[arg(long, env = "TESTKIT_REPORT")]
    pub report: Option<Uri>,
    /// The name in that report
    #[arg(long, default_value = "load")]
    pub name: String,
    /// Print no line a second, only the summary
    #[arg(long)]
    pub quiet: bool,
}

/// How requests are carried: over HTTP/1.1 with keep-alive unless told otherwise.
#[derive(Args, Clone, Copy, Debug)]
pub struct CarryArgs {
    /// Speak HTTP/2 in clear text instead of HTTP/1.1
    #[arg(long, conflicts_with = "grpc")]
    pub h2c: bool,
    /// Call Payment.Pay over gRPC
    #[arg(long, env = "TESTKIT_GRPC")]
    pub grpc: bool,
    /// A new connection for every request
    #[arg(long)]
    pub no_keepalive: bool,
}

const BETWEEN_TRIES: Duration = Duration::from_millis(100);

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        Ok(_) | Err(_) => Err(format!("'{text}' is no rate: write a number above 0")),
    }
}

/// Generates load until the duration is over, standard input ends (if asked) or `stop`; finishes
/// what is in flight and prints the summary.
///
/// # Errors
/// When the URL names no host, a port cannot be bound, or the report is not taken.
pub async fn run(args: LoadArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let plan = Arc::new(plan::Plan::new(&args).map_err(anyhow::Error::from_boxed)?);
    let tally = tally::Tally::default();
    if let Some(address) = args.serve {
        let listener = serve::listen("stats", address).await?;
        serve::beside(listener, page::Page(tally.clone()), &CancellationToken::new());
    }
    if args.until_stdin_closes {
        cancel_when_stdin_closes(stop.clone());
    }
    if let Some(patience) = args.wait {
        wait_for_an_answer(&plan, patience, &stop).await?;
        tally.reset();
    }
    if !args.quiet {
        Tasks::default().spawn(print_every_second(tally.clone(), stop.clone()));
    }
    let pace = Arc::new(pace::Pace::start(args.rate, args.duration));
    let lanes = Tasks::default();
    for _ in 0..args.connections {
        let lane = lane::Lane::new(Arc::clone(&plan), tally.clone(), stop.clone());
        lanes.spawn(lane.run(Arc::clone(&pace)));
    }
    lanes.idle().await;
    stop.cancel();
    let stats = tally.stats();
    output::line(&stats)?;
    match args.report {
        Some(url) => Report { name: args.name, stats }.send(url, args.timeout).await,
        None => Ok(()),
    }
}

/// Asks on connections of its own, counted nowhere, until the answer is good.
async fn wait_for_an_answer(
    plan: &Arc<plan::Plan>,
    patience: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut last = String::new();
    let answered = async {
        let mut lane = lane::Lane::new(Arc::clone(plan), tally::Tally::default(), stop.clone());
        while let Some((_, why)) = lane.request().await.failure {
            last = why;
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        () = answered => Ok(()),
        () = tokio::time::sleep(patience) => anyhow::bail!("no good answer in {patience:?}: {last}"),
    }
}

/// Reads in a thread of its own: a read of standard input cannot be given up.
fn cancel_when_stdin_closes(stop: CancellationToken) {
    std::thread::spawn(move || {
        // Whether it ended or broke, nobody is there any more.
        drop(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
        stop.cancel();
    });
}

async fn print_every_second(tally: tally::Tally, stop: CancellationToken) {
    let mut seconds =
        tokio::time::interval_at(Instant::now() + Duration::from_secs(1), Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = seconds.tick() => {}
        }
        if output::line(&tally.take_second()).is_err() {
            return;
        }
    }
}
