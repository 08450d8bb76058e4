//! What the mesh says of how requests are watched, ready for each request to use.

use std::rc::Weak;

use super::Worker;
use crate::{
    access_log::{Entry, Logbook, Outcome},
    http::head::Head,
    metrics::Event,
    trace::{Kind, Span, Tracer, falls, request_id},
};

impl Worker {
    /// Does as the mesh says, whenever it says something else, for as long as the worker lives.
    /// Requests do not look themselves: they would pay for it where there is nothing to see.
    pub async fn follow_mesh(worker: Weak<Self>) {
        let Some(mut changed) = worker.upgrade().map(|worker| worker.plane.discovery.changed())
        else {
            return;
        };
        // Before the first change, too: there may have been one since the worker was made.
        while let Some(worker) = worker.upgrade() {
            worker.heed_mesh();
            drop(worker);
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn heed_mesh(&self) {
        let mesh = self.mesh();
        let tracing = mesh.as_ref().and_then(|mesh| mesh.tracing.as_ref());
        if self.tracer.borrow().as_ref().map(|tracer| tracer.tracing()) != tracing {
            let made = tracing.map(|it| Tracer::new(it.clone(), self.plane.spans.clone()));
            self.tracer.replace(made);
        }
        self.logging.set(self.plane.access_log.how(mesh.and_then(|mesh| mesh.access_log)));
    }

    /// What one more request is logged in, if it is.
    #[must_use]
    pub fn access_log(&self) -> Option<Logbook> {
        let how = self.logging.get()?;
        falls(how.sampling, &self.dice).then(|| self.plane.access_log.book(how))
    }

    /// Logs a byte stream that has ended, if it is to be.
    pub fn log_stream(&self, entry: impl FnOnce() -> Entry, outcome: &Outcome) {
        if let Some(log) = self.access_log()
            && !log.write(&entry(), outcome)
        {
            self.count(Event::LogLineDropped);
        }
    }

    /// Gives the request of `head` a number if anybody looks at it, and its place in a trace if the
    /// mesh has a collector; begins a span if the trace is recorded.
    #[must_use]
    pub fn begin_span(&self, head: &mut Head, kind: Kind) -> Option<Box<Span>> {
        let tracer = self.tracer.borrow();
        if tracer.is_some() || self.logging.get().is_some() {
            request_id::ensure(&mut head.headers);
        }
        tracer.as_ref()?.begin(head, kind, &self.dice)
    }
}
