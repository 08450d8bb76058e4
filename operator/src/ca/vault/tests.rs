use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::ca::mint::{Validity, authority};

fn made() -> Authority {
    let validity = Validity { now: UNIX_EPOCH, lifetime: Duration::from_secs(1_000_000) };
    authority(&"cluster.local".parse().unwrap(), validity).unwrap()
}

#[test]
fn what_is_written_reads_back() {
    let rotation = Rotation { decision: 7, ..Rotation::default() };
    let vault = Vault { active: made(), next: Some(made()), rotation };
    assert_eq!(Vault::read(&vault.write()).unwrap(), vault);
    let vault = Vault { next: None, ..vault };
    assert_eq!(Vault::read(&vault.write()).unwrap(), vault);
}

#[test]
fn a_half_written_vault_names_what_is_missing() {
    let rotation = Rotation::default();
    let whole = Vault { active: made(), next: Some(made()), rotation }.write();
    for key in whole.keys().filter(|key| *key != ROTATION) {
        let mut half = whole.clone();
        half.remove(key);
        assert_eq!(Vault::read(&half), Err(Broken::Missing(key.clone())), "{key}");
        half.insert(key.clone(), ByteString(b"garbage".to_vec()));
        assert_eq!(Vault::read(&half), Err(Broken::Unreadable(key.clone())), "{key}");
    }
}

#[test]
fn a_record_that_is_damaged_is_not_taken_for_none() {
    let rotation = Rotation::default();
    let mut data = Vault { active: made(), next: None, rotation }.write();
    data.insert(ROTATION.to_owned(), ByteString(b"garbage".to_vec()));
    assert_eq!(Vault::read(&data), Err(Broken::Unreadable(ROTATION.to_owned())));
}

#[test]
fn a_root_tells_when_it_expires_and_who_signs_for_it() {
    let (one, other) = (Root::of(&made()).unwrap(), Root::of(&made()).unwrap());
    assert_eq!((one.made, one.expires), (0, 1_000_000));
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_ne!(one.issuer, other.issuer);
}
