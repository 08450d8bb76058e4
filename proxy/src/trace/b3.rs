//! B3, in its two forms: one header, `b3`, or one for each part, `x-b3-…`. Read and written. Pure.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::id::{SpanId, TraceId};

/// What a request says in B3. A decision may come without ids, and ids without a decision.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct B3 {
    pub(super) ids: Option<(TraceId, SpanId)>,
    pub(super) decision: Option<Decision>,
}

/// Whether a trace is recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    Unsampled,
    Sampled,
    /// Sampled, and nobody on the way may think otherwise.
    Debug,
}

/// The forms that a request came with, and goes on with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Forms {
    pub(super) single: bool,
    pub(super) multiple: bool,
}

impl Decision {
    pub(super) const fn is_sampled(self) -> bool {
        match self {
            Self::Unsampled => false,
            Self::Sampled | Self::Debug => true,
        }
    }

    const fn letter(self) -> &'static str {
        match self {
            Self::Unsampled => "0",
            Self::Sampled => "1",
            Self::Debug => "d",
        }
    }

    fn of(letter: &[u8]) -> Option<Self> {
        match letter {
            b"0" | b"false" => Some(Self::Unsampled),
            b"1" | b"true" => Some(Self::Sampled),
            b"d" => Some(Self::Debug),
            _ => None,
        }
    }
}

impl Forms {
    pub(super) const fn any(self) -> bool {
        self.single || self.multiple
    }

    pub(super) fn of(headers: &HeaderMap) -> Self {
        let multiple = [TRACE, SPAN, SAMPLED, FLAGS];
        Self {
            single: headers.contains_key(SINGLE),
            multiple: multiple.iter().any(|name| headers.contains_key(name)),
        }
    }
}

impl B3 {
    /// What the one header says, or else the many.
    pub(super) fn read(headers: &HeaderMap, forms: Forms) -> Option<Self> {
        let single = headers.get(SINGLE).and_then(|value| Self::parse_single(value.as_bytes()));
        match single {
            None if forms.multiple => Some(Self::read_multiple(headers)),
            single => single,
        }
    }

    /// `<trace>-<span>[-<decision>[-<parent>]]`, or a decision alone.
    fn parse_single(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|byte| *byte == b'-');
        let first = parts.next()?;
        let Some(second) = parts.next() else {
            return Some(Self { ids: None, decision: Some(Decision::of(first)?) });
        };
        let ids = Some((trace(first)?, span(second)?));
        let decision =
            parts.next().map(|letter| Decision::of(letter).ok_or(())).transpose().ok()?;
        Some(Self { ids, decision })
    }

    fn read_multiple(headers: &HeaderMap) -> Self {
        let value = |name: HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        let decision = match value(FLAGS) {
            Some(b"1") => Some(Decision::Debug),
            Some(_) | None => value(SAMPLED).and_then(Decision::of),
        };
        Self { ids: value(TRACE).and_then(trace).zip(value(SPAN).and_then(span)), decision }
    }
}

/// Puts a context in place of whatever the request came with, in the forms that it came in.
pub(super) fn write(
    headers: &mut HeaderMap,
    forms: Forms,
    ids: (TraceId, SpanId),
    parent: Option<SpanId>,
    decision: Decision,
) {
    let (trace, span) = (short(ids.0), ids.1);
    let (said, unsaid) = match decision {
        Decision::Debug => ((FLAGS, "1"), SAMPLED),
        Decision::Unsampled | Decision::Sampled => ((SAMPLED, decision.letter()), FLAGS),
    };
    for name in [PARENT, unsaid] {
        headers.remove(name);
    }
    let mut put = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    if forms.single {
        let parent = parent.map(|parent| format!("-{parent}")).unwrap_or_default();
        put(SINGLE, &format!("{trace}-{span}-{}{parent}", decision.letter()));
    }
    if forms.multiple {
        put(TRACE, &trace);
        put(SPAN, &span.to_string());
        put(said.0, said.1);
        if let Some(parent) = parent {
            put(PARENT, &parent.to_string());
        }
    }
}

/// Sixteen digits if that is all there is: those who send so few may read no more.
fn short(trace: TraceId) -> String {
    let text = trace.to_string();
    text.strip_prefix("0000000000000000").map(str::to_owned).unwrap_or(text)
}

/// Thirty-two digits, or sixteen, which are the lower half.
fn trace(text: &[u8]) -> Option<TraceId> {
    let mut bytes = [0; 16];
    let half = if text.len() == 16 { bytes.get_mut(8..)? } else { &mut bytes };
    hex::decode_to_slice(text, half).ok()?;
    TraceId::from_bytes(bytes)
}

fn span(text: &[u8]) -> Option<SpanId> {
    let mut bytes = [0; 8];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    SpanId::from_bytes(bytes)
}

const SINGLE: HeaderName = HeaderName::from_static("b3");
const TRACE: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

#[cfg(test)]
mod tests;
