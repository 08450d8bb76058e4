//! What is counted under one set of labels.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{
    histogram::{Histogram, Reading, add},
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

/// Connections that carry bytes of no known protocol.
#[derive(Debug, Default)]
pub struct StreamSeries {
    life: Life,
    opened: AtomicU64,
    closed: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

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
    /// Counts a connection that begins.
    pub fn open(&self) {
        self.life.touch();
        add(&self.opened, 1);
    }

    /// Counts a connection that has ended.
    pub fn close(&self) {
        self.life.touch();
        add(&self.closed, 1);
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

    /// Whether it is still read; if not, look it up again.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.life.is_kept()
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
    pub(super) fn add(&mut self, series: &StreamSeries) {
        self.opened += series.opened.load(Ordering::Relaxed);
        self.closed += series.closed.load(Ordering::Relaxed);
        self.sent += series.sent.load(Ordering::Relaxed);
        self.received += series.received.load(Ordering::Relaxed);
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
        self.opened.load(Ordering::Relaxed) != self.closed.load(Ordering::Relaxed)
    }
}
