use std::time::{Duration, UNIX_EPOCH};

use model::rotation::Rotation;

use super::*;
use crate::ca::mint::{Validity, authority};

fn warned(days: u64) -> Option<String> {
    let lifetime = Duration::from_secs(100 * 24 * 3600);
    let validity = Validity { now: UNIX_EPOCH, lifetime };
    let active = authority(&"cluster.local".parse().unwrap(), validity).unwrap();
    let vault = Vault { active, next: None, rotation: Rotation::default() };
    let now = (100 - days) * 24 * 3600 * 1000;
    expiry_warning(&vault, now).unwrap().map(|happening| happening.sentence)
}

#[test]
fn a_root_warns_three_times_before_it_expires() {
    assert_eq!(warned(61), None);
    for (left, said) in
        [(60, "60 days"), (31, "60 days"), (30, "30 days"), (7, "7 days"), (0, "7 days")]
    {
        let sentence = warned(left).unwrap();
        assert!(sentence.contains(said), "{left}: {sentence}");
    }
}
