//! The load generator: asks through one address as its shape says, for a while that does not count
//! and then for a while that does, and reads what the watched processes have cost in between.
//!
//! Whatever goes wrong, be it a status that is not 200, ends it with an error: a measurement with
//! failures in it is none. It speaks HTTP with bytes made beforehand and looks at no more of the
//! answers than it must, because it shares a core with the upstream.

mod bytes;
mod handshakes;
mod http1;
mod http2;
mod idle;
mod paced;

use std::{cell::Cell, net::SocketAddr, path::PathBuf, rc::Rc, time::Duration};

use anyhow::{Result, bail};
use clap::ValueEnum;
use proxy::tls::Carries;
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::accounting::{self, Usage};

/// What is asked, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where to.
    #[arg(long)]
    target: SocketAddr,
    /// What is spoken.
    #[arg(long)]
    shape: Shape,
    /// How many connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// The number of the first service to call.
    #[arg(long, default_value_t = 0)]
    first: usize,
    /// How many requests at a time on each connection of HTTP/2.
    #[arg(long, default_value_t = 64)]
    streams: usize,
    /// Requests a second, for the shape that has a pace.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Seconds that do not count.
    #[arg(long, default_value_t = 0.5)]
    warm: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Processes whose cost is read.
    #[arg(long, value_delimiter = ',')]
    watch: Vec<u32>,
    /// Where this client's certificate is, for handshakes.
    #[arg(long)]
    identity: Option<PathBuf>,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// HTTP/1.1 with keep-alive, one request after the other.
    Http1,
    /// The same with large answers.
    Large,
    /// HTTP/2 in clear text.
    Http2,
    /// gRPC, one message each way.
    Grpc,
    /// Bytes that go nowhere.
    Bytes,
    /// HTTP/1.1 at a pace that no answer slows down.
    Paced,
    /// Mutual TLS, a new connection every time, full handshakes.
    Handshakes,
    /// The same with the classical key exchange alone.
    ClassicalHandshakes,
    /// The same with tickets used.
    ResumedHandshakes,
    /// Connections that ask once and then hold still.
    Idle,
    /// The same with mutual TLS.
    IdleTls,
    /// One request to each of many services, of which no connection is kept.
    Services,
    /// Requests of which no two ask for the same host or path.
    Distinct,
}

/// What came of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Outcome {
    /// Requests or handshakes that were completed.
    pub done: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// How many handshakes were resumed.
    pub resumed: u64,
    /// How long it took.
    pub seconds: f64,
    /// What each watched process spent meanwhile on processors, in nanoseconds.
    pub cpu_ns: Vec<u64>,
    /// What each watched process has resident at the end, in KiB.
    pub rss_kb: Vec<u64>,
    /// How long answers took, in microseconds, sorted; only for the shape that has a pace.
    pub took_us: Vec<u32>,
}

/// What all connections count together.
#[derive(Debug, Default)]
struct Counts {
    done: Cell<u64>,
    bytes: Cell<u64>,
    resumed: Cell<u64>,
}

impl Counts {
    fn add(&self, bytes: usize) {
        self.done.set(self.done.get() + 1);
        self.bytes.set(self.bytes.get() + bytes as u64);
    }
}

/// Asks for as long as `args` say.
///
/// # Errors
/// If anything was not as it should be.
pub async fn run(args: &Args) -> Result<Outcome> {
    let counts = Rc::new(Counts::default());
    match args.shape {
        Shape::Paced => return paced::run(args),
        Shape::Idle | Shape::IdleTls | Shape::Distinct | Shape::Services => {
            return idle::run(args, &counts).await;
        }
        _ => {}
    }
    let mut connections = JoinSet::new();
    for _ in 0..args.connections {
        spawn(&mut connections, args, &counts)?;
    }
    tokio::select! {
        biased;
        ended = connections.join_next() => match ended {
            Some(Ok(Err(error))) => Err(error),
            Some(_) | None => bail!("a connection ended before the measurement did"),
        },
        outcome = measure(args, &counts) => outcome,
    }
}

fn spawn(set: &mut JoinSet<Result<()>>, args: &Args, counts: &Rc<Counts>) -> Result<()> {
    let (target, counts, streams) = (args.target, Rc::clone(counts), args.streams);
    match args.shape {
        Shape::Http1 => set.spawn_local(http1::ask(target, http1::SMALL, counts)),
        Shape::Large => set.spawn_local(http1::ask(target, http1::LARGE, counts)),
        Shape::Http2 => set.spawn_local(http2::ask(target, http2::Ask::get(), streams, counts)),
        Shape::Grpc => set.spawn_local(http2::ask(target, http2::Ask::grpc(), streams, counts)),
        Shape::Bytes => set.spawn_local(bytes::pour(target, counts)),
        Shape::Handshakes | Shape::ClassicalHandshakes | Shape::ResumedHandshakes => {
            let config = handshakes::config(args, Carries::Http1)?;
            set.spawn_local(handshakes::shake(target, config, counts))
        }
        Shape::Paced | Shape::Idle | Shape::IdleTls | Shape::Distinct | Shape::Services => {
            bail!("this shape makes its connections itself")
        }
    };
    Ok(())
}

async fn measure(args: &Args, counts: &Counts) -> Result<Outcome> {
    wait_for_answers(args, counts).await?;
    sleep(Duration::from_secs_f64(args.warm)).await;
    let (began, before) = (Instant::now(), usages(&args.watch)?);
    let (done, bytes, resumed) = (counts.done.get(), counts.bytes.get(), counts.resumed.get());
    sleep(Duration::from_secs_f64(args.seconds)).await;
    let (seconds, after) = (began.elapsed().as_secs_f64(), usages(&args.watch)?);
    Ok(Outcome {
        done: counts.done.get() - done,
        bytes: counts.bytes.get() - bytes,
        resumed: counts.resumed.get() - resumed,
        seconds,
        ..spent(&before, &after)
    })
}

/// Waits until there was about one answer on each connection: handshakes with what lies behind a
/// pair are no part of what is measured, and take their time on a machine that is busy.
async fn wait_for_answers(args: &Args, counts: &Counts) -> Result<()> {
    for _ in 0..PATIENCE_STEPS {
        if counts.done.get() >= args.connections as u64 {
            return Ok(());
        }
        sleep(STEP).await;
    }
    bail!("not one answer on each connection after {:?}", STEP * PATIENCE_STEPS)
}

fn usages(watched: &[u32]) -> Result<Vec<Usage>> {
    watched.iter().map(|pid| accounting::of(*pid)).collect()
}

fn spent(before: &[Usage], after: &[Usage]) -> Outcome {
    let both = before.iter().zip(after);
    Outcome {
        cpu_ns: both.map(|(before, after)| after.cpu_ns.saturating_sub(before.cpu_ns)).collect(),
        rss_kb: after.iter().map(|usage| usage.rss_kb).collect(),
        ..Outcome::default()
    }
}

const STEP: Duration = Duration::from_millis(5);
const PATIENCE_STEPS: u32 = 4_000;
