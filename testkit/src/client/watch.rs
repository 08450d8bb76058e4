//! `grpc-client watch`: a stream of heartbeats both ways, and whether any was lost.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, interval, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Streaming, transport::Channel};

use crate::{
    flags,
    grpc::{
        Sequence,
        proto::shop::{Beat, payment_client::PaymentClient},
    },
    output,
};

/// How long the first beat, and the last one after the end, may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Flags of `testkit grpc-client watch`.
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "Example:
  testkit grpc-client --url http://payment:8080 watch --duration 60s
Exits with 0 if nothing was lost either way and the stream ended when it was ended here.")]
pub struct WatchArgs {
    /// How long; without it until SIGTERM
    #[arg(long, value_parser = flags::duration)]
    pub duration: Option<Duration>,
    /// How long from one beat to the next, both ways
    #[arg(long, default_value = "1s", value_parser = flags::duration)]
    pub every: Duration,
}

/// The line that says that the stream stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Watching {
    /// The version that holds it.
    pub version: String,
    /// The pod that holds it.
    pub pod: String,
}

/// How it went: the line at the end.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Watched {
    /// Beats sent.
    pub sent: u64,
    /// Beats that the server had heard when it ended.
    pub sent_heard: u64,
    /// Those that did not follow the one before, as the server saw it.
    pub sent_gaps: u64,
    /// Beats heard.
    pub heard: u64,
    /// Those that did not follow the one before.
    pub gaps: u64,
    /// The longest time between two of them.
    pub longest_silence_ms: u64,
    /// How long the stream stood.
    pub seconds: f64,
    /// Why it ended, if not because we ended it.
    pub broken: Option<String>,
}

impl Watched {
    /// Whether nothing was lost either way and the stream ended when we ended it.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        let Self { sent, sent_heard, sent_gaps, gaps, broken, .. } = self;
        *sent == *sent_heard && *sent_gaps == 0 && *gaps == 0 && broken.is_none()
    }
}

/// Watches until the duration is over or `stop`.
///
/// # Errors
/// When the stream cannot be opened, breaks, or loses a beat.
pub async fn run(
    mut client: PaymentClient<Channel>,
    args: WatchArgs,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (beats, outgoing) = mpsc::channel(4);
    let interval_millis = u32::try_from(args.every.as_millis())?;
    beats.send(Beat { interval_millis, ..Beat::default() }).await?;
    let incoming = timeout(DEADLINE, client.watch(ReceiverStream::new(outgoing))).await??;
    let mut watch = Watch::new(incoming.into_inner(), args.every);
    let first = timeout(DEADLINE, watch.incoming.message()).await??;
    let first = first.ok_or_else(|| anyhow::anyhow!("the stream ended before its first beat"))?;
    output::line(&Watching { version: first.version.clone(), pod: first.pod.clone() })?;
    watch.hear(&first);
    watch.beat_until(beats, args.duration, &stop).await;
    watch.listen_to_the_end().await;
    let watched = watch.watched();
    output::line(&watched)?;
    anyhow::ensure!(watched.is_whole(), "the stream was not whole");
    Ok(())
}

/// The stream as the client sees it.
struct Watch {
    incoming: Streaming<Beat>,
    ticks: Interval,
    sequence: Sequence,
    watched: Watched,
    start: Instant,
    last: Instant,
}

impl Watch {
    fn new(incoming: Streaming<Beat>, every: Duration) -> Self {
        let mut ticks = interval(every.max(Duration::from_millis(1)));
        // The first tick is at once, and the first beat is already sent.
        ticks.reset();
        let watched = Watched { sent: 1, ..Watched::default() };
        let now = Instant::now();
        Self { incoming, ticks, sequence: Sequence::default(), watched, start: now, last: now }
    }

    /// Sends and hears beats; returns, ending our side, when it is time or the stream broke.
    async fn beat_until(
        &mut self,
        beats: mpsc::Sender<Beat>,
        duration: Option<Duration>,
        stop: &CancellationToken,
    ) {
        let over = sleep(duration.unwrap_or(Duration::MAX));
        tokio::pin!(over);
        while self.watched.broken.is_none() {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = &mut over => return,
                message = self.incoming.message() => match message {
                    Ok(Some(beat)) => self.hear(&beat),
                    Ok(None) => self.broke("the server ended the stream"),
                    Err(status) => self.broke(&status.to_string()),
                },
                _ = self.ticks.tick() => self.beat(&beats),
            }
        }
    }

    /// Our side has ended: the server hears that, says how much it has heard, and ends as well.
    async fn listen_to_the_end(&mut self) {
        while self.watched.broken.is_none() {
            match timeout(DEADLINE, self.incoming.message()).await {
                Ok(Ok(Some(beat))) => self.hear(&beat),
                Ok(Ok(None)) => return,
                Ok(Err(status)) => self.broke(&status.to_string()),
                Err(_late) => self.broke("the server did not end the stream"),
            }
        }
    }

    /// Sends a beat, unless those before are still waiting: then the next one comes late, which
    /// the server does not mind.
    fn beat(&mut self, beats: &mpsc::Sender<Beat>) {
        let beat =
            Beat { sequence: self.watched.sent, heard: self.sequence.heard, ..Beat::default() };
        if beats.try_send(beat).is_ok() {
            self.watched.sent += 1;
        }
    }

    fn hear(&mut self, beat: &Beat) {
        self.sequence.hear(beat.sequence);
        self.watched.sent_heard = beat.heard;
        self.watched.sent_gaps = beat.gaps;
        let silence = u64::try_from(self.last.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.watched.longest_silence_ms = self.watched.longest_silence_ms.max(silence);
        self.last = Instant::now();
    }

    fn broke(&mut self, why: &str) {
        self.watched.broken = Some(why.to_owned());
    }

    fn watched(self) -> Watched {
        let Sequence { heard, gaps, .. } = self.sequence;
        Watched { heard, gaps, seconds: self.start.elapsed().as_secs_f64(), ..self.watched }
    }
}
