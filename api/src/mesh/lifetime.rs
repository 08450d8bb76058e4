//! How long certificates may live: the bounds, and the rules of the CRD that hold them.
//!
//! CEL's own durations know no days and end after 292 years, so days are counted apart, and numbers
//! that could go beyond are refused before they are read.

use std::{ops::RangeInclusive, time::Duration};

use kube::core::Rule;

/// How long a workload's certificate may live. Half of it is what the mesh can do without its
/// control plane: the shortest is for trials of renewal, not for use.
pub const LEAF: RangeInclusive<Duration> = Duration::from_secs(120)..=days(30);
/// The longest that a root may live: X.509 writes years in four digits.
pub const LONGEST_ROOT: Duration = days(36_500);
/// A root lives for at least so many lives of a workload's certificate.
pub const LEAVES_OF_A_ROOT: u32 = 10;

/// What is said of a lifetime beyond [`LEAF`].
pub const LEAF_BOUNDS: &str = "spec.ca.leafLifetime must be from 2m to 30d, for example 1d";
/// What is said of a lifetime beyond [`LONGEST_ROOT`].
pub const ROOT_BOUNDS: &str = "spec.ca.rootLifetime must be at most 36500d, for example 3650d";
/// What is said of a root that its leaves could outlive.
pub const ROOT_BELOW_LEAVES: &str =
    "spec.ca.rootLifetime must be at least ten times spec.ca.leafLifetime";

/// On `spec.ca`.
pub(super) fn leaf() -> Rule {
    let (field, seconds) = ("self.leafLifetime", seconds("self.leafLifetime"));
    let (least, most) = (LEAF.start().as_secs(), LEAF.end().as_secs());
    let within = format!("{seconds} >= {least} && {seconds} <= {most}");
    Rule::new(format!("{} && {within}", countable(field))).message(LEAF_BOUNDS)
}

/// On `spec.ca`.
pub(super) fn root() -> Rule {
    let (field, most) = ("self.rootLifetime", LONGEST_ROOT.as_secs());
    let rule = format!("{} && {} <= {most}", countable(field), seconds(field));
    Rule::new(rule).message(ROOT_BOUNDS)
}

/// On `spec.ca`. What the other rules refuse is not refused twice.
pub(super) fn root_and_leaf() -> Rule {
    let (root, leaf) = ("self.rootLifetime", "self.leafLifetime");
    let known = format!("{} && {}", countable(root), countable(leaf));
    let rule = format!("{} >= {LEAVES_OF_A_ROOT} * {}", seconds(root), seconds(leaf));
    Rule::new(format!("!({known}) || {rule}")).message(ROOT_BELOW_LEAVES)
}

/// Whether the parts of `field` can be counted: each is less than 292 years.
fn countable(field: &str) -> String {
    format!("!{field}.matches('{BEYOND}')")
}

/// Found in a span with a part that is too long to be counted: of hours, or of minutes, which are
/// not to be taken for milliseconds.
const BEYOND: &str = "[1-9][0-9]{6}h|[1-9][0-9]{7}m([^s]|$)";

/// A [`crate::span::Span`] in seconds.
fn seconds(field: &str) -> String {
    let days = format!("({field}.contains('d') ? int({field}.split('d')[0]) * 86400 : 0)");
    let rest = format!("duration({field}.substring({field}.indexOf('d') + 1))");
    format!("({days} + ({field}.endsWith('d') ? 0 : {rest}.getSeconds()))")
}

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 3600)
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn what_is_too_long_to_be_counted_is_told_from_milliseconds_and_zeros() {
        let beyond = Regex::new(BEYOND).unwrap();
        for text in ["1000000h", "1d999999999h", "10000000m", "999999999m5s", "10000000m5ms"] {
            assert!(beyond.is_match(text), "{text}");
        }
        for text in ["86400000ms", "999999999s999999999ms", "999999h", "9999999m", "000000024h"] {
            assert!(!beyond.is_match(text), "{text}");
        }
    }
}
