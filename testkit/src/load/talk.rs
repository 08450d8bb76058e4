//! Conversations: many messages on one connection, each answered, counted as a whole.
//!
//! A server that leaves may end one, in the manner of its protocol and between two messages: a
//! close of a WebSocket with 1001 that says how much was answered, a last heartbeat that does, or
//! the end of a TCP stream behind a whole line, after at least one. A sane client then goes on
//! elsewhere, with the first message that was not answered. Every other end is a failure.

use std::{fmt::Display, time::Duration};

use clap::{Args, ValueEnum};
use http::Uri;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use super::{
    outcome::{Kind, Outcome},
    tally::Tally,
};
use crate::{flags, grpc::proto::shop::payment_client::PaymentClient, link::Target};

mod beats;
mod lines;
mod receipts;
mod websocket;

/// Conversations instead of requests.
#[derive(Args, Clone, Copy, Debug)]
pub struct TalkArgs {
    /// Hold conversations of this kind; --rate is how many begin in a second, and --timeout how
    /// long each answer may take
    #[arg(long, conflicts_with_all = ["h2c", "grpc", "no_keepalive"])]
    pub talk: Option<Manner>,
    /// How many messages each has
    #[arg(long, default_value = "20")]
    pub messages: u32,
    /// How long from one message to the next
    #[arg(long, default_value = "250ms", value_parser = flags::duration)]
    pub every: Duration,
}

/// What a conversation is held in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Manner {
    /// Lines over TCP, each sent back, and a half-close at the end
    Lines,
    /// Texts over a WebSocket, each sent back
    Websocket,
    /// gRPC's Payment.Watch: heartbeats both ways
    Beats,
    /// gRPC's Payment.Receipts: one call, many answers
    Receipts,
}

/// What every conversation of a run is like.
#[derive(Debug)]
pub(super) struct Script {
    manner: Manner,
    messages: u32,
    every: Duration,
    patience: Duration,
    target: Target,
    url: Uri,
}

/// How far a conversation came on one connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Part {
    answered: u32,
    end: End,
}

/// How a connection ended, if it ended well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// All was said, or the client has to leave.
    Ours,
    /// The server left.
    Theirs,
}

/// How it failed, in words.
type Failed = (Kind, String);

impl Script {
    pub(super) fn new(
        args: TalkArgs,
        url: &Uri,
        target: &Target,
        patience: Duration,
    ) -> Option<Self> {
        let TalkArgs { talk, messages, every } = args;
        let (target, url) = (target.clone(), url.clone());
        Some(Self { manner: talk?, messages, every, patience, target, url })
    }

    /// Holds one conversation, on as many connections as leaving servers make necessary. Ends
    /// between two messages once the client is to `stop`.
    pub(super) async fn hold(&self, tally: &Tally, stop: &CancellationToken) -> Outcome {
        let (mut outcome, mut in_vain) = (Outcome::default(), 0);
        while in_vain < CONNECTIONS {
            let left = self.messages.saturating_sub(outcome.messages);
            let part = match self.part(left, tally, stop).await {
                Ok(part) => part,
                Err(failure) => return Outcome { failure: Some(failure), ..outcome },
            };
            outcome.messages += part.answered;
            if part.end == End::Theirs {
                outcome.moves += 1;
            }
            in_vain = if part.answered == 0 { in_vain + 1 } else { 0 };
            let is_over = part.end == End::Ours || outcome.messages >= self.messages;
            if is_over || stop.is_cancelled() {
                return outcome;
            }
        }
        let failure = Some((Kind::Closed, format!("{CONNECTIONS} servers left in a row")));
        Outcome { failure, ..outcome }
    }

    /// Says `count` messages on a connection of their own.
    async fn part(
        &self,
        count: u32,
        tally: &Tally,
        stop: &CancellationToken,
    ) -> Result<Part, Failed> {
        // On the heap: a lane is held many times, and these are big.
        match self.manner {
            Manner::Lines => Box::pin(lines::part(self, count, tally, stop)).await,
            Manner::Websocket => Box::pin(websocket::part(self, count, tally, stop)).await,
            Manner::Beats => Box::pin(beats::part(self, count, tally, stop)).await,
            Manner::Receipts => Box::pin(receipts::part(self, count, tally)).await,
        }
    }

    /// What `wait` comes to, unless that takes too long.
    async fn within<T>(&self, what: &str, wait: impl Future<Output = T>) -> Result<T, Failed> {
        let late = |_late| (Kind::Timeout, format!("{what} not in {:?}", self.patience));
        timeout(self.patience, wait).await.map_err(late)
    }

    /// When messages are due, the first at once.
    fn ticks(&self) -> Interval {
        let mut ticks = interval(self.every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    async fn payment(&self, tally: &Tally) -> Result<PaymentClient<Channel>, Failed> {
        let failed = |error: tonic::transport::Error| (Kind::Connect, crate::reply::chain(&error));
        let endpoint = Endpoint::new(self.url.clone()).map_err(failed)?;
        // On the heap: it is big, and short-lived.
        let connecting = Box::pin(endpoint.connect());
        let channel = self.within("connected", connecting).await?.map_err(failed)?;
        tally.connected();
        Ok(PaymentClient::new(channel))
    }
}

fn closed(error: impl Display) -> Failed {
    (Kind::Closed, error.to_string())
}

fn truncated(error: impl Display) -> Failed {
    (Kind::Truncated, error.to_string())
}

/// A gRPC call that did not end with OK.
fn refused(status: &tonic::Status) -> Failed {
    let code = i32::from(status.code());
    (Kind::Status, format!("grpc-{code} {}", status.message()))
}

/// So many servers do not leave one after the other before they have answered anything.
const CONNECTIONS: u32 = 10;
