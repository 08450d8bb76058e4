//! Why something that arrived cannot be read: which field, and what is wrong with it.

use std::{fmt, net::AddrParseError};

use model::{identity, mesh::InvalidCollector, revision::InvalidRevision, weight::InvalidWeight};

/// A field that does not hold what the protocol says it holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invalid {
    /// The path to the field, outermost first: `backends[2].split.canary`. Empty for the whole
    /// message.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a field.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Problem {
    /// It must be there and is not, or is of a kind that this version does not know.
    #[error("missing or of an unknown kind")]
    Missing,
    /// An enumeration's number that this version does not know.
    #[error("{0} has no meaning here")]
    UnknownNumber(i32),
    /// The bytes are no protobuf of the expected message.
    #[error("not decodable: {0}")]
    Malformed(String),
    /// A port that is 0 or above 65535.
    #[error("{0} is not a port")]
    Port(u32),
    /// Neither 4 nor 16 bytes, or an IPv4 address in IPv6 clothes.
    #[error("not an address in its one form")]
    Address,
    /// Not a network in CIDR notation.
    #[error("{0:?} is not a network")]
    Network(String),
    /// No host name.
    #[error("{0:?} is not a host name")]
    Host(String),
    /// Not of the form `<namespace>/<name>`.
    #[error("{0:?} is not of the form <namespace>/<name>")]
    Rollout(String),
    /// Not 32 bytes.
    #[error("not a SHA-256")]
    Fingerprint,
    /// The same thing twice.
    #[error("named twice")]
    Duplicate,
    /// The body is not what the key asks for.
    #[error("a {0} cannot be the answer")]
    Kind(&'static str),
    /// The sender requires something that this version cannot enforce.
    #[error("needs the capability {0:?}")]
    Capability(String),
    /// More bytes than allowed.
    #[error("{bytes} bytes are more than {most}")]
    TooLong {
        /// The length found.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// More items than allowed.
    #[error("{items} items are more than {most}")]
    TooMany {
        /// The number found.
        items: usize,
        /// The bound.
        most: usize,
    },
    /// No identity of a mesh.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// No revision.
    #[error(transparent)]
    Revision(#[from] InvalidRevision),
    /// Nowhere that spans can be sent to.
    #[error(transparent)]
    Collector(#[from] InvalidCollector),
    /// No share of traffic.
    #[error(transparent)]
    Weight(#[from] InvalidWeight),
}

impl<P: Into<Problem>> From<P> for Invalid {
    fn from(problem: P) -> Self {
        Self { field: String::new(), problem: problem.into() }
    }
}

impl From<AddrParseError> for Problem {
    fn from(_: AddrParseError) -> Self {
        Self::Address
    }
}

impl Invalid {
    /// The same problem, seen from the message that `field` is a field of.
    fn within(mut self, field: impl fmt::Display) -> Self {
        self.field = match self.field.as_str() {
            "" => field.to_string(),
            inner if inner.starts_with('[') => format!("{field}{inner}"),
            inner => format!("{field}.{inner}"),
        };
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "{}", self.problem),
            field => write!(f, "{field}: {}", self.problem),
        }
    }
}

impl std::error::Error for Invalid {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}

/// Says which field a decoding error is about.
pub(crate) trait At<T> {
    fn at(self, field: &str) -> Result<T, Invalid>;
}

impl<T, E: Into<Invalid>> At<T> for Result<T, E> {
    fn at(self, field: &str) -> Result<T, Invalid> {
        self.map_err(|error| error.into().within(field))
    }
}

/// The field must be there.
pub(crate) fn required<T>(field: Option<T>) -> Result<T, Invalid> {
    field.ok_or_else(|| Problem::Missing.into())
}

/// Decodes every item; the first that cannot be read is named by its place.
pub(crate) fn each<A, B, E: Into<Invalid>>(
    items: Vec<A>,
    decode: impl Fn(A) -> Result<B, E>,
) -> Result<Vec<B>, Invalid> {
    // Collected, they would keep the place of what they were made from, which is larger.
    let mut decoded = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().enumerate() {
        match decode(item) {
            Ok(item) => decoded.push(item),
            Err(error) => return Err(error).at(&format!("[{place}]")),
        }
    }
    Ok(decoded)
}

/// Decodes every item and keeps apart those that cannot be read.
pub(crate) fn sift<A, B>(
    items: Vec<A>,
    field: &str,
    decode: impl Fn(A) -> Result<B, Invalid>,
) -> (Vec<B>, Vec<Invalid>) {
    let (mut good, mut rejected) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in items.into_iter().enumerate() {
        match decode(item).at(&format!("{field}[{place}]")) {
            Ok(item) => good.push(item),
            Err(invalid) => rejected.push(invalid),
        }
    }
    (good, rejected)
}
