//! The columns of `kubectl get mesh` that are made of several things.

use std::sync::Arc;

use api::mesh::CaStatus;

/// `48/50`.
pub(super) fn fraction(part: u32, whole: u32) -> String {
    format!("{part}/{whole}")
}

/// `Idle`, or `Issuing 18/20`.
pub(super) fn phase(ca: &CaStatus) -> String {
    match (ca.proxies_done, ca.proxies_asked) {
        (Some(done), Some(asked)) => format!("{} {done}/{asked}", ca.phase),
        _ => ca.phase.clone(),
    }
}

/// `3650d`: what is left, in days begun. `expired` when nothing is.
pub(super) fn days_left(expires_seconds: i64, now_millis: u64) -> String {
    let now = i64::try_from(now_millis / 1000).unwrap_or(i64::MAX);
    match expires_seconds.saturating_sub(now) {
        left if left <= 0 => "expired".to_owned(),
        left => format!("{}d", (left + DAY - 1) / DAY),
    }
}

/// `1 active`, `2 failed`, both, or how many there are.
pub(super) fn rollouts(total: i32, active: i32, failed: i32) -> String {
    match (active, failed) {
        (0, 0) => total.to_string(),
        (active, 0) => format!("{active} active"),
        (0, failed) => format!("{failed} failed"),
        (active, failed) => format!("{active} active, {failed} failed"),
    }
}

/// `shop/cart-1, and 3 more`; empty if there are none.
pub(super) fn laggards(named: &[Arc<str>], missing: u32) -> String {
    let Some(first) = named.first() else { return String::new() };
    match missing.saturating_sub(1) {
        0 => first.to_string(),
        more => format!("{first}, and {more} more"),
    }
}

const DAY: i64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_have_begun_count() {
        assert_eq!(days_left(3650 * DAY, 0), "3650d");
        assert_eq!(days_left(3650 * DAY, 5000), "3650d");
        assert_eq!(days_left(1, 0), "1d");
        assert_eq!(days_left(5, 5000), "expired");
    }

    #[test]
    fn what_matters_of_rollouts_is_said() {
        assert_eq!(rollouts(0, 0, 0), "0");
        assert_eq!(rollouts(3, 0, 0), "3");
        assert_eq!(rollouts(3, 1, 0), "1 active");
        assert_eq!(rollouts(3, 0, 2), "2 failed");
        assert_eq!(rollouts(3, 1, 2), "1 active, 2 failed");
    }

    #[test]
    fn one_laggard_is_named_and_the_others_counted() {
        let named: Vec<Arc<str>> = vec!["shop/a".into(), "shop/b".into()];
        assert_eq!(laggards(&[], 0), "");
        assert_eq!(laggards(&named, 1), "shop/a");
        assert_eq!(laggards(&named, 4), "shop/a, and 3 more");
    }
}
