//! Counts the bytes of one byte stream beside its series.

use std::cell::Cell;

use super::relay::Meter;
use crate::metrics::StreamSeries;

/// What one byte stream has carried.
#[derive(Debug)]
pub struct Tally<'a> {
    series: &'a StreamSeries,
    forth: Cell<u64>,
    back: Cell<u64>,
}

impl<'a> Tally<'a> {
    /// A stream on which the server has said so many bytes already.
    #[must_use]
    pub fn new(series: &'a StreamSeries, said: usize) -> Self {
        series.back(said);
        Self { series, forth: Cell::new(0), back: Cell::new(said as u64) }
    }

    /// Bytes from the one who opened it, and back.
    #[must_use]
    pub fn bytes(&self) -> [u64; 2] {
        [self.forth.get(), self.back.get()]
    }
}

impl Meter for Tally<'_> {
    fn forth(&self, bytes: usize) {
        self.forth.set(self.forth.get() + bytes as u64);
        self.series.forth(bytes);
    }

    fn back(&self, bytes: usize) {
        self.back.set(self.back.get() + bytes as u64);
        self.series.back(bytes);
    }
}
