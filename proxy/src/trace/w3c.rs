//! W3C Trace Context's `traceparent`, read and written. Pure.
//!
//! `tracestate` is not looked into: whoever keeps the parent keeps it, and it is worth nothing
//! without one (section 3.3).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::id::{SpanId, TraceId};

/// What `traceparent` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TraceParent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) sampled: bool,
}

impl TraceParent {
    /// What the header says, if there is one and no more than one, and it can be read.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.as_bytes()),
            (None | Some(_), _) => None,
        }
    }

    /// `00-<32 digits>-<16 digits>-<2 digits>`. What a version after 00 adds comes behind another
    /// dash and is not for us (section 3.2.4).
    fn parse(text: &[u8]) -> Option<Self> {
        let (version, rest) = field::<1>(text)?;
        let (trace, rest) = field::<16>(rest.strip_prefix(b"-")?)?;
        let (span, rest) = field::<8>(rest.strip_prefix(b"-")?)?;
        let ([flags], rest) = field::<1>(rest.strip_prefix(b"-")?)?;
        let goes_on = match version {
            [0x00] => false,
            [0xff] => return None,
            [_] => rest.starts_with(b"-"),
        };
        if !rest.is_empty() && !goes_on {
            return None;
        }
        let (trace, span) = (TraceId::from_bytes(trace)?, SpanId::from_bytes(span)?);
        Some(Self { trace, span, sampled: flags & SAMPLED != 0 })
    }

    /// Puts it in place of whatever was there.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let Self { trace, span, sampled } = self;
        let text = format!("00-{trace}-{span}-0{}", u8::from(*sampled));
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// `N` bytes in lower-case hexadecimal, and what follows.
fn field<const N: usize>(text: &[u8]) -> Option<([u8; N], &[u8])> {
    let (digits, rest) = text.split_at_checked(2 * N)?;
    if digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some((bytes, rest))
}

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const SAMPLED: u8 = 0x01;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn parse(text: &str) -> Option<(String, String, bool)> {
        let parent = TraceParent::parse(text.as_bytes())?;
        Some((parent.trace.to_string(), parent.span.to_string(), parent.sampled))
    }

    fn said(sampled: bool) -> Option<(String, String, bool)> {
        Some((TRACE.to_owned(), SPAN.to_owned(), sampled))
    }

    #[test]
    fn the_last_bit_of_the_flags_is_the_decision() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            assert_eq!(parse(&format!("00-{TRACE}-{SPAN}-{flags}")), said(sampled), "{flags}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        assert_eq!(parse(&format!("cc-{TRACE}-{SPAN}-01")), said(true));
        assert_eq!(parse(&format!("cc-{TRACE}-{SPAN}-01-what-comes")), said(true));
        assert_eq!(parse(&format!("cc-{TRACE}-{SPAN}-01.what-comes")), None);
    }

    #[test]
    fn what_breaks_the_form_says_nothing() {
        for wrong in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{TRACE}g-{SPAN}-01"),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn two_headers_say_nothing() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::try_from(format!("00-{TRACE}-{SPAN}-01")).unwrap();
        headers.append(TRACEPARENT, value.clone());
        assert!(TraceParent::read(&headers).is_some());
        headers.append(TRACEPARENT, value);
        assert!(TraceParent::read(&headers).is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(trace: [u8; 16], span: [u8; 8], sampled: bool) {
            let ids = TraceId::from_bytes(trace).zip(SpanId::from_bytes(span));
            prop_assume!(ids.is_some());
            let (trace, span) = ids.unwrap();
            let (mut headers, parent) = (HeaderMap::new(), TraceParent { trace, span, sampled });
            parent.write(&mut headers);
            prop_assert_eq!(TraceParent::read(&headers), Some(parent));
        }

        #[test]
        fn what_reads_begins_with_the_form(text in "[0-9a-fA-F-]{50,60}") {
            if let Some(parent) = TraceParent::parse(text.as_bytes()) {
                let form = format!("-{}-{}-", parent.trace, parent.span);
                prop_assert_eq!(text.get(2..53), Some(form.as_str()));
            }
        }

        #[test]
        fn bytes_that_nobody_would_write_say_nothing(text: Vec<u8>) {
            prop_assume!(!text.starts_with(b"00-"));
            prop_assert_eq!(TraceParent::parse(&text), None);
        }
    }
}
