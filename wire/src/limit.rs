//! How much a peer may send. Whoever decodes holds the other side to these; whoever encodes cuts
//! free text (reasons) to fit.

use std::sync::Arc;

use crate::invalid::{Invalid, Problem};

/// Bytes in one message, either way.
pub const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Keys that one proxy may be subscribed to, and that one message may name.
pub const KEYS: usize = 4096;
/// Rows in one report.
pub const ROWS: usize = 4096;
/// Decisions in one message of the operator.
pub const DECISIONS: usize = 16_384;
/// Keys that a state names as stale.
pub const STALE_KEYS: usize = 8;
/// Capabilities that a proxy declares or a resource requires.
pub const CAPABILITIES: usize = 64;

/// Names of Kubernetes objects and DNS names (RFC 1123).
pub(crate) const NAME: usize = 253;
/// `<namespace>/<name>`, and what the control plane appends to tell rules apart.
pub(crate) const QUALIFIED_NAME: usize = 1024;
/// Paths, header values and query values of routes.
pub(crate) const MATCH: usize = 4096;
/// Free text for people.
pub(crate) const REASON: usize = 1024;
/// Service-account tokens and CSRs.
pub(crate) const CREDENTIAL: usize = 16 * 1024;

/// A text that is no longer than `most` bytes.
pub(crate) fn text(text: String, most: usize) -> Result<Arc<str>, Invalid> {
    if text.len() > most {
        return Err(Problem::TooLong { bytes: text.len(), most }.into());
    }
    // What says nothing needs no place of its own.
    Ok(if text.is_empty() { Arc::default() } else { text.into() })
}

/// The name of a Kubernetes object, or nothing at all.
pub(crate) fn name(name: String) -> Result<Arc<str>, Invalid> {
    text(name, NAME)
}

/// Items that are no more than `most`.
pub(crate) fn many<T>(items: Vec<T>, most: usize) -> Result<Vec<T>, Invalid> {
    if items.len() > most {
        return Err(Problem::TooMany { items: items.len(), most }.into());
    }
    Ok(items)
}

/// `text` cut to `most` bytes, between characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}
