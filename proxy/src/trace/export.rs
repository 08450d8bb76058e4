//! Spans on their way to the collector: a bounded queue, batches, and patience with a collector
//! that fails. What does not fit, or is given up, is dropped and counted; nobody ever waits.

use std::{sync::Arc, time::Duration};

use model::{key::Key, mesh::Tracing, resource::Resource as Held};
use runtime::clock::Clock;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    collector::{Collector, Failure},
    otlp,
    span::Resource,
};
use crate::{
    control::Backoff,
    discovery::{Answer, Discovery},
    metrics::{Event, Shard},
};

/// Where workers leave their spans.
#[derive(Clone, Debug)]
pub struct Outbox {
    pub(super) clock: Clock,
    pub(super) spans: mpsc::Sender<otlp::Span>,
}

/// Takes what the workers leave to the collector.
#[derive(Debug)]
pub struct Exporter {
    spans: mpsc::Receiver<otlp::Span>,
    discovery: Discovery,
    resource: Resource,
    shard: Arc<Shard>,
    collector: Option<(Tracing, Collector)>,
    /// Whether the last thing said of the collector is that it fails.
    is_failing: bool,
}

/// A queue, and who empties it: to the collector that the mesh has at the time, as `discovery`
/// knows it. What is dropped is counted in `shard`, which must be the exporter's own.
#[must_use]
pub fn queue(
    clock: Clock,
    discovery: Discovery,
    resource: Resource,
    shard: Arc<Shard>,
) -> (Outbox, Exporter) {
    let (outbox, spans) = mpsc::channel(QUEUE);
    let (collector, is_failing) = (None, false);
    let exporter = Exporter { spans, discovery, resource, shard, collector, is_failing };
    (Outbox { clock, spans: outbox }, exporter)
}

impl Outbox {
    pub(super) fn now(&self) -> std::time::SystemTime {
        self.clock.now()
    }

    /// Leaves a span; says whether there was room.
    pub(super) fn send(&self, span: otlp::Span) -> bool {
        self.spans.try_send(span).is_ok()
    }
}

impl Exporter {
    /// Sends what comes until `stop`, and then what is left, if that is quickly done.
    pub async fn run(mut self, stop: CancellationToken) {
        let stopped = stop.cancelled();
        tokio::select! {
            biased;
            () = stopped => {}
            () = self.send_all() => return,
        }
        let rest = async {
            while let Ok(first) = self.spans.try_recv() {
                self.send_batch(first).await;
            }
        };
        // Whatever is left is lost with the process that made it, and with its counters.
        drop(tokio::time::timeout(FAREWELL, rest).await);
    }

    /// Ends when the last worker has. While it pauses nobody is woken by a span that is left: that
    /// would cost each request a system call.
    async fn send_all(&mut self) {
        while let Some(first) = self.spans.recv().await {
            tokio::time::sleep(PAUSE).await;
            self.send_batch(first).await;
            // As long as there are enough for a batch, there is no reason to pause.
            while self.spans.len() >= BATCH
                && let Ok(first) = self.spans.try_recv()
            {
                self.send_batch(first).await;
            }
        }
    }

    async fn send_batch(&mut self, first: otlp::Span) {
        let mut batch = Vec::with_capacity(BATCH.min(self.spans.len() + 1));
        batch.push(first);
        while batch.len() < BATCH
            && let Ok(next) = self.spans.try_recv()
        {
            batch.push(next);
        }
        let count = batch.len();
        let kept = self.deliver(&self.resource.with(batch)).await;
        for _ in kept..count {
            self.shard.count(Event::SpanDropped);
        }
    }

    /// Sends a batch, more than once if need be; says how many of its spans the collector took.
    async fn deliver(&mut self, request: &otlp::Request) -> usize {
        let count = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
        let count: usize = count.map(|scope| scope.spans.len()).sum();
        let (mut backoff, limit) = (Backoff::new(), Instant::now() + GIVEN_UP_AFTER);
        loop {
            let Some(collector) = self.collector() else { return 0 };
            match collector.send(request).await {
                Ok(rejected) => {
                    self.tell(None);
                    return count.saturating_sub(rejected);
                }
                Err(Failure::Refused(why)) => {
                    self.tell(Some(&why));
                    return 0;
                }
                Err(Failure::Unable(why)) => {
                    self.tell(Some(&why));
                    let wait = backoff.after_failure();
                    if Instant::now() + wait > limit {
                        return 0;
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// The collector that the mesh has now; the connection to an earlier one is closed.
    fn collector(&mut self) -> Option<&mut Collector> {
        let tracing = match self.discovery.current(&Key::Mesh) {
            Some(Answer::Found(Held::Mesh(mesh))) => mesh.tracing.clone(),
            Some(_) | None => None,
        };
        let Some(tracing) = tracing else {
            self.collector = None;
            return None;
        };
        let same = |(held, _): &(Tracing, _)| {
            held.endpoint() == tracing.endpoint() && held.protocol() == tracing.protocol()
        };
        if !self.collector.as_ref().is_some_and(same) {
            self.collector = Collector::new(&tracing).map(|collector| (tracing, collector));
        }
        self.collector.as_mut().map(|(_, collector)| collector)
    }

    /// Says once that the collector fails, and once that it does no more.
    fn tell(&mut self, failure: Option<&str>) {
        match (self.is_failing, failure) {
            (false, Some(why)) => warn!(why, "the collector does not take spans"),
            (true, None) => info!("the collector takes spans again"),
            (false, None) | (true, Some(_)) => {}
        }
        self.is_failing = failure.is_some();
    }
}

/// Spans that may wait to be sent, each of a kilobyte or two.
const QUEUE: usize = 4096;
/// Spans in one message.
const BATCH: usize = 512;
/// How long spans gather.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a batch is tried to be sent for.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(15);
/// How long the last ones may take: less than tasks have to end.
const FAREWELL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
