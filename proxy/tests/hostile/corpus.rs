//! What hostile clients and servers write, and what is to come of it.

pub(crate) mod http2;
pub(crate) mod requests;
pub(crate) mod responses;

/// Bytes that a client or a server writes.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What is odd about it.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expect: Expect,
}

/// What is to come of a case. In any case, what leaves the proxy has one framing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Expect {
    /// This many messages arrive at the other side, and no more.
    Passes(usize),
    /// None arrives whole.
    Refused,
    /// Its end is waited for.
    Waits,
    /// It is no HTTP, and passes byte by byte on a connection of its own.
    Opaque,
    /// The RFC leaves a choice.
    Either,
}

/// Stands for a path of the case's own.
pub(crate) const OWN: &str = "~~";

impl Case {
    /// A case from text whose characters are bytes, as in Latin-1.
    pub(crate) fn new(name: impl Into<String>, text: &str, expect: Expect) -> Self {
        let bytes = text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
        Self { name: name.into(), bytes, expect }
    }

    /// The bytes, with `path` as the case's own.
    pub(crate) fn with_path(&self, path: &str) -> Vec<u8> {
        let (mut bytes, mut rest) = (Vec::new(), &self.bytes[..]);
        while let Some(at) = rest.windows(OWN.len()).position(|part| part == OWN.as_bytes()) {
            bytes.extend_from_slice(&rest[..at]);
            bytes.extend_from_slice(path.as_bytes());
            rest = &rest[at + OWN.len()..];
        }
        bytes.extend_from_slice(rest);
        bytes
    }
}
