//! What is counted under one set of labels.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{
    histogram::{Histogram, Reading, add},
    labels::Flags,
    table::{Life, Series},
};

/// Requests that ended alike.
#[derive(Debug, Default)]
pub struct RequestSeries {
    life: Life,
    count: AtomicU64,
    duration: Histogram,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

/// Messages of gRPC, both ways.
#[derive(Debug, Default)]
pub struct MessageSeries {
    life: Life,
    requests: AtomicU64,
    responses: AtomicU64,
}

/// Connections between two parties that carry bytes of no known protocol.
///
/// How they ended is told apart in here, not by series of their own: what was opened and what was
/// closed is forgotten together, so that the one less the other is always what is open.
#[derive(Debug, Default)]
pub struct StreamSeries {
    life: Life,
    opened: ByFlags,
    closed: ByFlags,
    sent: AtomicU64,
    received: AtomicU64,
}

/// Numbers of connections, by what there is to say about their ends.
#[derive(Debug, Default)]
struct ByFlags([AtomicU64; Flags::ALL.len()]);

/// What request series of several workers add up to.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestTotals {
    pub(super) count: u64,
    pub(super) duration: Reading,
    pub(super) request_bytes: Reading,
    pub(super) response_bytes: Reading,
}

/// What message series of several workers add up to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageTotals {
    pub(super) requests: u64,
    pub(super) responses: u64,
}

/// What stream series of several workers add up to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StreamTotals {
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl RequestSeries {
    /// Counts a request that has ended.
    pub fn record(&self, took: Duration, request_bytes: u64, response_bytes: u64) {
        self.life.touch();
        add(&self.count, 1);
        self.duration.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.request_bytes.observe(request_bytes.saturating_mul(1_000));
        self.response_bytes.observe(response_bytes.saturating_mul(1_000));
    }

    /// Whether it is still read; if not, look it up again.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.life.is_kept()
    }
}

impl MessageSeries {
    /// Counts messages that the client has sent.
    pub fn requests(&self, messages: u64) {
        self.life.touch();
        add(&self.requests, messages);
    }

    /// Counts messages that the server has sent.
    pub fn responses(&self, messages: u64) {
        self.life.touch();
        add(&self.responses, messages);
    }

    /// Whether it is still read; if not, look it up again.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.life.is_kept()
    }
}

impl StreamSeries {
    /// Counts a connection that begins; nobody knows how it will end.
    pub fn open(&self) {
        self.life.touch();
        self.opened.count(Flags::None);
    }

    /// Counts a connection that has ended, and how.
    pub fn close(&self, flags: Flags) {
        self.life.touch();
        self.closed.count(flags);
    }

    /// Counts a connection that was accepted and reached nobody.
    pub fn miss(&self, flags: Flags) {
        self.life.touch();
        self.opened.count(flags);
        self.closed.count(flags);
    }

    /// Counts bytes that went to the one who accepted the connection.
    pub fn received(&self, bytes: u64) {
        self.life.touch();
        add(&self.received, bytes);
    }

    /// Counts bytes that went back to the one who opened it.
    pub fn sent(&self, bytes: u64) {
        self.life.touch();
        add(&self.sent, bytes);
    }

    /// What is told under each flag that there was. Bytes are counted as they pass, before there is
    /// an end to speak of.
    pub(super) fn by_flags(&self) -> impl Iterator<Item = (Flags, StreamTotals)> {
        let counted = Flags::ALL.into_iter().map(|flags| (flags, self.totals(flags)));
        counted.filter(|(flags, totals)| *flags == Flags::None || totals.closed > 0)
    }

    fn totals(&self, flags: Flags) -> StreamTotals {
        let (opened, closed) = (self.opened.read(flags), self.closed.read(flags));
        let (sent, received) = match flags {
            Flags::None => {
                (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
            }
            _ => (0, 0),
        };
        StreamTotals { opened, closed, sent, received }
    }

    /// Whether it is still read; if not, look it up again.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.life.is_kept()
    }
}

impl ByFlags {
    fn count(&self, flags: Flags) {
        if let Some(counter) = self.0.get(flags as usize) {
            add(counter, 1);
        }
    }

    fn read(&self, flags: Flags) -> u64 {
        self.0.get(flags as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}

impl RequestTotals {
    pub(super) fn add(&mut self, series: &RequestSeries) {
        self.count += series.count.load(Ordering::Relaxed);
        self.duration.add(&series.duration);
        self.request_bytes.add(&series.request_bytes);
        self.response_bytes.add(&series.response_bytes);
    }
}

impl MessageTotals {
    pub(super) fn add(&mut self, series: &MessageSeries) {
        self.requests += series.requests.load(Ordering::Relaxed);
        self.responses += series.responses.load(Ordering::Relaxed);
    }
}

impl StreamTotals {
    pub(super) const fn add(&mut self, other: Self) {
        let Self { opened, closed, sent, received } = other;
        self.opened += opened;
        self.closed += closed;
        self.sent += sent;
        self.received += received;
    }
}

impl Series for RequestSeries {
    fn life(&self) -> &Life {
        &self.life
    }
}

impl Series for MessageSeries {
    fn life(&self) -> &Life {
        &self.life
    }
}

impl Series for StreamSeries {
    fn life(&self) -> &Life {
        &self.life
    }

    fn is_under_way(&self) -> bool {
        self.opened.sum() != self.closed.sum()
    }
}
