//! One of the requests that may be in flight: takes the next due time, sends, counts, repeats.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    exchange,
    outcome::{Kind, Outcome},
    pace::Pace,
    plan::Plan,
    tally::Tally,
};
use crate::{
    link::{Link, Sent},
    reply::chain,
};

/// A lane and the connection it holds.
pub(super) struct Lane {
    plan: Arc<Plan>,
    tally: Tally,
    link: Option<Link<Full<Bytes>>>,
    stop: CancellationToken,
}

impl Lane {
    pub(super) const fn new(plan: Arc<Plan>, tally: Tally, stop: CancellationToken) -> Self {
        Self { plan, tally, link: None, stop }
    }

    /// Sends until the timetable is over or it is to stop; a request that has begun is finished.
    pub(super) async fn run(mut self, pace: Arc<Pace>) {
        while let Some(due) = pace.take() {
            let mut from = due;
            if due > Instant::now() {
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return,
                    () = sleep_until(due) => {}
                }
                // A timer that fires late is our fault; a lane that was busy is the server's.
                from = Instant::now();
            }
            if self.stop.is_cancelled() {
                return;
            }
            let outcome = self.request().await;
            self.tally.record(outcome, from.elapsed());
        }
    }

    /// Sends one request now, or holds one conversation.
    pub(super) async fn request(&mut self) -> Outcome {
        if let Some(script) = &self.plan.talk {
            return script.hold(&self.tally, &self.stop).await;
        }
        let Ok(outcome) = timeout(self.plan.timeout, self.exchange()).await else {
            // An answer that may still come must not be taken for the next one's.
            self.link = None;
            let after = format!("no answer in {:?}", self.plan.timeout);
            return Outcome::unanswered(Kind::Timeout, after);
        };
        let broken = matches!(outcome.failure, Some((Kind::Truncated | Kind::Closed, _)));
        if broken || !self.plan.keep_alive {
            self.link = None;
        }
        outcome
    }

    async fn exchange(&mut self) -> Outcome {
        let response = match self.send().await {
            Ok(response) => response,
            Err(outcome) => return outcome,
        };
        exchange::finish(&self.plan, response).await
    }

    /// Sends on the connection at hand, or on a new one if that has already ended.
    async fn send(&mut self) -> Result<http::Response<hyper::body::Incoming>, Outcome> {
        if let Some(mut link) = self.link.take()
            && link.usable().await
        {
            match link.send(self.plan.request()).await {
                Sent::Answered(response) => return Ok(self.keep(link, response)),
                Sent::Broken(error) => return Err(closed(&error)),
                Sent::Unsent => {}
            }
        }
        let opened = Link::open(&self.plan.target, self.plan.http2).await;
        let mut link = opened.map_err(|e| Outcome::unanswered(Kind::Connect, chain(&*e)))?;
        self.tally.connected();
        match link.send(self.plan.request()).await {
            Sent::Answered(response) => Ok(self.keep(link, response)),
            Sent::Broken(error) => Err(closed(&error)),
            Sent::Unsent => {
                Err(Outcome::unanswered(Kind::Closed, "ended before the request".to_owned()))
            }
        }
    }

    fn keep<T>(&mut self, link: Link<Full<Bytes>>, response: T) -> T {
        self.link = Some(link);
        response
    }
}

fn closed(error: &hyper::Error) -> Outcome {
    Outcome::unanswered(Kind::Closed, chain(error))
}
