//! Traces: a request's place in one is kept, or begun, and a span from each proxy on its way goes
//! to a collector.
//!
//! The request path only ever hands a finished span to a queue that may be full. Where the mesh
//! has no collector, it asks once whether there is one, and that is all.

mod b3;
mod collector;
mod export;
mod id;
mod otlp;
mod propagation;
pub mod request_id;
mod span;
mod w3c;

use std::rc::Rc;

use http::HeaderMap;
use model::{mesh::Tracing, weight::Weight};

use self::propagation::Place;
pub use self::{
    export::{Exporter, Outbox, queue},
    span::{Kind, Resource, Span},
};
use crate::{balance::Dice, http::head::Head};

/// What one worker traces with, while the mesh has a collector.
#[derive(Debug)]
pub struct Tracer {
    tracing: Tracing,
    outbox: Outbox,
}

impl Tracer {
    /// Traces as `tracing` says.
    #[must_use]
    pub fn new(tracing: Tracing, outbox: Outbox) -> Rc<Self> {
        Rc::new(Self { tracing, outbox })
    }

    /// What it traces by.
    #[must_use]
    pub const fn tracing(&self) -> &Tracing {
        &self.tracing
    }

    /// Gives the request of `head` its place in a trace, a new one if it has none, and says so to
    /// whoever is next. Begins a span if the trace is recorded.
    #[must_use]
    pub fn begin(self: &Rc<Self>, head: &mut Head, kind: Kind, dice: &Dice) -> Option<Box<Span>> {
        let place = self.place(&mut head.headers, dice)?;
        Some(Span::begin(self.outbox.clone(), place, kind, head))
    }

    fn place(&self, headers: &mut HeaderMap, dice: &Dice) -> Option<Place> {
        propagation::step(headers, || falls(self.tracing.sampling, dice))
    }
}

/// Whether a draw falls into `share`.
pub(crate) fn falls(share: Weight, dice: &Dice) -> bool {
    dice.below(Weight::ALL.basis_points().into()) < share.basis_points().into()
}
