//! What the proxy tells control at intervals: how revisions fare, and which certificate it uses.
//! Being told at all is the sign of life.

use std::sync::Arc;

use wire::{
    limit,
    message::{Report, Row},
};

use crate::{
    identity::Identity,
    telemetry_rows::{Reading, Rows},
};

/// Makes reports from what is counted and held.
#[derive(Clone, Debug)]
pub struct Reporter {
    rows: Arc<Rows>,
    identity: Identity,
}

impl Reporter {
    /// Reports from `rows` and `identity`.
    #[must_use]
    pub const fn new(rows: Arc<Rows>, identity: Identity) -> Self {
        Self { rows, identity }
    }

    /// How things stand now.
    #[must_use]
    pub fn report(&self) -> Report {
        // More than control reads would cost it the whole report, the sign of life included.
        let rows = self.rows.snapshot().into_iter().map(row).take(limit::ROWS).collect();
        let leaf = self.identity.current().and_then(|material| material.leaf());
        Report { rows, leaf }
    }
}

fn row(reading: Reading) -> Row {
    let Reading { rollout, revision, attempts, failures, first_failure } = reading;
    let first_failure_millis = first_failure.map_or(0, |moment| moment.as_millis());
    Row { rollout, revision, attempts, failures, first_failure_millis }
}
