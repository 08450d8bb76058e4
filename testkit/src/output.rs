//! Standard output: one JSON object a line, flushed, for logs and for the tests that read them.

use std::io::{self, Write as _};

use serde::Serialize;

/// Prints `value` as one line of JSON.
///
/// # Errors
/// When nobody reads standard output any more.
pub fn line(value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()
}
