//! The numbers that traces and spans are known by. Zero is no id in either (W3C Trace Context,
//! sections 3.2.2.3 and 3.2.2.4).

use std::fmt;

/// A trace's number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TraceId([u8; 16]);

/// A span's number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SpanId([u8; 8]);

impl TraceId {
    /// A number nobody has had.
    pub(super) fn random() -> Self {
        Self(not_zero())
    }

    /// The number in `bytes`.
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Its bytes.
    pub(super) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// A number nobody has had.
    pub(super) fn random() -> Self {
        Self(not_zero())
    }

    /// The number in `bytes`.
    pub(super) fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Its bytes.
    pub(super) const fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

fn not_zero<const N: usize>() -> [u8; N] {
    loop {
        let bytes: [u8; N] = rand::random();
        if bytes != [0; N] {
            return bytes;
        }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
