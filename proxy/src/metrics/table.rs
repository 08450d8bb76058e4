//! Series by their labels, bounded: beyond the bound all share one series that says so.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A set of labels that can also stand for "too many to tell".
pub(super) trait Labels: Ord + Clone {
    /// What stands for all labels beyond the bound.
    fn overflow() -> Self;
}

/// Something counted under labels.
pub(super) trait Series: Default {
    /// The series' life.
    fn life(&self) -> &Life;

    /// Whether something goes on that it will count the end of: then it is kept, however quiet.
    fn is_under_way(&self) -> bool {
        false
    }
}

/// Whether a series is in use, and whether the table still holds it.
#[derive(Debug)]
pub(super) struct Life {
    used: AtomicBool,
    kept: AtomicBool,
}

/// The series of one worker.
#[derive(Debug)]
pub(super) struct Table<L, S> {
    limit: usize,
    series: Mutex<BTreeMap<L, Arc<S>>>,
}

impl<L: Labels, S: Series> Table<L, S> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, series: Mutex::new(BTreeMap::new()) }
    }

    pub(super) fn series(&self, labels: L) -> Arc<S> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = match series.len() {
            count if count >= self.limit && !series.contains_key(&labels) => L::overflow(),
            _ => labels,
        };
        Arc::clone(series.entry(labels).or_default())
    }

    /// Drops what was not used since the last call. A handle that is kept elsewhere is told through
    /// its life, so that nothing is ever counted where no one reads it.
    pub(super) fn forget_unused(&self) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.retain(|_, series| {
            let life = series.life();
            let used = life.used.swap(false, Ordering::Relaxed) || series.is_under_way();
            life.kept.store(used, Ordering::Relaxed);
            used
        });
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(&L, &S)) {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.iter().for_each(|(labels, series)| visit(labels, series));
    }
}

impl Life {
    /// Notes a use.
    pub(super) fn touch(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the table still holds the series.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }
}

impl Default for Life {
    /// Used from the start, so that what was just made is not at once forgotten.
    fn default() -> Self {
        Self { used: AtomicBool::new(true), kept: AtomicBool::new(true) }
    }
}
