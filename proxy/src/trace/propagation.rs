//! One hop's place in a trace: read from what came, written to what goes on. Pure but for new
//! numbers.
//!
//! W3C's headers go before B3's, and always go on; B3's go on in the forms that they came in. The
//! decision of whoever began the trace stands; only where there is none, ours is asked for.

use http::{HeaderMap, HeaderValue};

use super::{
    b3::{self, B3, Decision, Forms},
    id::{SpanId, TraceId},
    w3c::{TRACEPARENT, TRACESTATE, TraceParent},
};

/// The place of a span that is recorded.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) parent: Option<SpanId>,
    /// `tracestate`, as it came.
    pub(super) state: Vec<HeaderValue>,
}

/// What came.
struct Came {
    ids: Option<(TraceId, SpanId)>,
    decision: Option<Decision>,
    forms: Forms,
    by_w3c: bool,
}

/// Takes one step in the trace that `headers` speak of, or the first of a new one. Says where the
/// hop's span is to be, if the trace is recorded; `decide` is asked if nobody has decided before.
///
/// A trace that is not recorded goes on as it came, so that nobody after us takes it for one that
/// nobody decided on.
pub(super) fn step(headers: &mut HeaderMap, decide: impl FnOnce() -> bool) -> Option<Place> {
    let came = Came::read(headers);
    let decision = came.decision.unwrap_or_else(|| match decide() {
        true => Decision::Sampled,
        false => Decision::Unsampled,
    });
    if !came.by_w3c {
        headers.remove(TRACESTATE);
    }
    match came.ids {
        Some((trace, parent)) if decision.is_sampled() => {
            let span = SpanId::random();
            came.write(headers, (trace, span), Some(parent), decision);
            let state = headers.get_all(TRACESTATE).iter().cloned().collect();
            Some(Place { trace, span, parent: Some(parent), state })
        }
        // Nothing would change.
        Some(_) if came.by_w3c && came.decision.is_some() && !came.forms.any() => None,
        Some(ids) => {
            came.write(headers, ids, None, decision);
            None
        }
        None => {
            let (trace, span) = (TraceId::random(), SpanId::random());
            came.write(headers, (trace, span), None, decision);
            let place = Place { trace, span, parent: None, state: Vec::new() };
            decision.is_sampled().then_some(place)
        }
    }
}

impl Came {
    fn read(headers: &HeaderMap) -> Self {
        let forms = Forms::of(headers);
        if let Some(TraceParent { trace, span, sampled }) = TraceParent::read(headers) {
            let decision = if sampled { Decision::Sampled } else { Decision::Unsampled };
            return Self {
                ids: Some((trace, span)),
                decision: Some(decision),
                forms,
                by_w3c: true,
            };
        }
        let B3 { ids, decision } = B3::read(headers, forms).unwrap_or_default();
        Self { ids, decision, forms, by_w3c: false }
    }

    fn write(
        &self,
        headers: &mut HeaderMap,
        ids: (TraceId, SpanId),
        parent: Option<SpanId>,
        decision: Decision,
    ) {
        let ((trace, span), sampled) = (ids, decision.is_sampled());
        headers.remove(TRACEPARENT);
        TraceParent { trace, span, sampled }.write(headers);
        if self.forms.any() {
            b3::write(headers, self.forms, ids, parent, decision);
        }
    }
}

#[cfg(test)]
mod tests;
