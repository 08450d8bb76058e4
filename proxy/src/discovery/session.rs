//! One stream to control, from Hello to its end.

use std::{collections::VecDeque, fmt, io, time::Duration};

use futures::{StreamExt as _, stream::ReadyChunks};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior},
};
use tokio_stream::wrappers::ReceiverStream;
use tracing::debug;
use wire::{
    capability,
    client::{self, DiscoveryClient},
    limit,
    message::{FromControl, Hello, ToControl, Token},
};

use super::Proxy;
use crate::control;

/// An open stream.
pub(super) struct Session {
    incoming: ReadyChunks<client::Incoming<FromControl>>,
    outgoing: mpsc::Sender<ToControl>,
    /// What the stream had no room for yet.
    outbox: VecDeque<ToControl>,
    report: Interval,
    /// When the certificate that the stream was opened with is no longer valid.
    expires: Instant,
}

/// Why no stream could be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("has no certificate yet")]
    NoCertificate,
    #[error("failed to read the service-account token {path}")]
    Token { path: String, source: io::Error },
    #[error(transparent)]
    Roots(#[from] crate::identity::RootsError),
    #[error(transparent)]
    Dial(#[from] control::Error),
    #[error("control refused the stream")]
    Refused(#[source] client::Error),
    #[error("control did not answer in time")]
    Silent,
}

/// Why a stream ended.
#[derive(Debug)]
pub(super) enum Closed {
    /// By control, or on the way.
    Lost(Option<client::Error>),
    /// Control takes nothing any more.
    Stuck,
    /// Its certificate's time is over.
    Expired,
}

/// Something happened on the stream.
pub(super) enum Heard {
    Messages(Vec<Result<FromControl, client::Error>>),
    /// It is time to report.
    ReportDue,
    Closed(Closed),
}

impl Error {
    /// Whether our certificate may be the reason: control was there and did not want us.
    pub(super) const fn may_be_ours(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Dial(control::Error::Http(_)) => true,
            Self::NoCertificate
            | Self::Token { .. }
            | Self::Roots(_)
            | Self::Dial(
                control::Error::Resolve { .. }
                | control::Error::Connect { .. }
                | control::Error::Tls(_),
            )
            | Self::Silent => false,
        }
    }
}

impl Session {
    /// Opens a stream and says Hello, after `failures` attempts that came to nothing.
    pub(super) async fn open(proxy: &Proxy, failures: u32) -> Result<Self, Error> {
        let material = proxy.roots.identity.current().ok_or(Error::NoCertificate)?;
        let hello = ToControl::Hello(hello(proxy).await?);
        let trust = proxy.roots.after(failures).await?;
        let dial = proxy.control.dial(Some(material.credentials()), &trust);
        let channel = Box::pin(dial).await?;
        let (outgoing, messages) = mpsc::channel(IN_FLIGHT);
        // The channel is new and has room.
        drop(outgoing.try_send(hello));
        let mut client = DiscoveryClient::new(channel);
        let opening = client.connect(ReceiverStream::new(messages));
        let incoming = tokio::time::timeout(PATIENCE, opening).await;
        let incoming = incoming.map_err(|_elapsed| Error::Silent)?.map_err(Error::Refused)?;
        let valid = material.valid_for(&proxy.clock).unwrap_or(LONGEST).min(LONGEST);
        Ok(Self {
            incoming: incoming.ready_chunks(BATCH),
            outgoing,
            outbox: VecDeque::new(),
            report: every(REPORT_INTERVAL),
            expires: Instant::now() + valid,
        })
    }

    /// Sends `message` as soon as the stream has room.
    pub(super) fn send(&mut self, message: ToControl) {
        self.outbox.push_back(message);
    }

    /// Reports from now on once in `interval`, within reason.
    pub(super) fn report_every(&mut self, interval: Duration) {
        let interval = interval.clamp(SHORTEST_REPORT_INTERVAL, LONGEST_REPORT_INTERVAL);
        if self.report.period() != interval {
            debug!(?interval, "reports change their pace");
            self.report = every(interval);
        }
    }

    /// Sends what there is to send until something is heard. Dropping the future loses nothing.
    pub(super) async fn listen(&mut self) -> Heard {
        loop {
            if self.outbox.len() > MOST_UNSENT {
                return Heard::Closed(Closed::Stuck);
            }
            tokio::select! {
                biased;
                permit = self.outgoing.reserve(), if !self.outbox.is_empty() => {
                    let Ok(permit) = permit else { return Heard::Closed(Closed::Lost(None)) };
                    if let Some(message) = self.outbox.pop_front() {
                        permit.send(message);
                    }
                }
                messages = self.incoming.next() => return match messages {
                    Some(messages) => Heard::Messages(messages),
                    None => Heard::Closed(Closed::Lost(None)),
                },
                // A report that waits would only be older than the next one.
                _ = self.report.tick(), if self.outbox.is_empty() => return Heard::ReportDue,
                () = tokio::time::sleep_until(self.expires) => {
                    return Heard::Closed(Closed::Expired);
                }
            }
        }
    }
}

async fn hello(proxy: &Proxy) -> Result<Hello, Error> {
    let path = &proxy.token;
    let token = tokio::fs::read_to_string(path).await;
    let token =
        token.map_err(|source| Error::Token { path: path.display().to_string(), source })?;
    Ok(Hello {
        pod_uid: proxy.pod_uid.clone(),
        pod_name: proxy.pod_name.clone(),
        namespace: proxy.namespace.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        epoch: proxy.epoch,
        capabilities: capability::SUPPORTED.iter().map(|name| (*name).into()).collect(),
        token: Token(token.trim().to_owned()),
    })
}

fn every(interval: Duration) -> Interval {
    let mut interval = tokio::time::interval(interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(Some(error)) => error.fmt(f),
            Self::Lost(None) => f.write_str("the stream ended"),
            Self::Stuck => f.write_str("control takes no more messages"),
            Self::Expired => f.write_str("the stream's certificate has expired"),
        }
    }
}

/// Until control says otherwise.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);
const SHORTEST_REPORT_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// How long control may take to accept a stream.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages handed to the transport and not yet written.
const IN_FLIGHT: usize = 64;
/// Pushes that are applied together: what is held is copied once for all of them.
const BATCH: usize = 256;
/// More than everything at once that a full table has to say.
const MOST_UNSENT: usize = 2 * limit::KEYS;
/// No certificate lives longer.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
