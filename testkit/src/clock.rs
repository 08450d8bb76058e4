//! The one place that reads the wall clock. Durations are measured with tokio's clock instead.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, the unit in which times leave this program.
#[must_use]
pub fn unix_millis() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the clock the others are sent to")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
