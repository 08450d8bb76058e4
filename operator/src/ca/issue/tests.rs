use std::time::{Duration, UNIX_EPOCH};

use model::rotation::Rotation;

use super::*;
use crate::ca::mint::{Validity, authority};

fn vault() -> Vault {
    let made = || {
        let validity = Validity { now: UNIX_EPOCH, lifetime: Duration::from_secs(1_000_000) };
        authority(&"cluster.local".parse().unwrap(), validity).unwrap()
    };
    Vault { active: made(), next: Some(made()), rotation: Rotation::default() }
}

fn hold(signing: Which, serving: Which) -> Hold {
    Hold {
        trusted: vec![Which::Next],
        bootstrap: vec![Which::Active, Which::Next],
        signing,
        serving,
        decision: 7,
        vault: model::rotation::Vault::Keep,
        proof: None,
        waiting: None,
        transition: None,
    }
}

#[test]
fn the_secret_for_the_control_plane_holds_no_roots_key() {
    let vault = vault();
    let issue = vault.issue(&hold(Which::Next, Which::Active)).unwrap();
    let keys: Vec<&str> = issue.secret.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "decision",
            "issuer.crt",
            "issuer.key",
            "serving-issuer.crt",
            "serving-issuer.key",
            "trust.pem"
        ]
    );
    let held = |text: &str| issue.secret.values().any(|value| value.0 == text.as_bytes());
    assert!(!held(&vault.active.root.key) && !held(&vault.next.clone().unwrap().root.key));
    assert!(held(&vault.active.issuer.key) && held(&vault.next.unwrap().issuer.key));
    assert_eq!(decision_of(&issue.secret), Some(7));
    assert_eq!(issue.trust.anchors.len(), 1);
    let bootstrap = runtime::tls::certificates_from_pem(issue.bootstrap.as_bytes()).unwrap();
    assert_eq!(bootstrap.len(), 2);
}

#[test]
fn a_root_is_trusted_once() {
    let vault = Vault { next: None, ..vault() };
    let issue = vault.issue(&hold(Which::Active, Which::Active)).unwrap();
    let bootstrap = runtime::tls::certificates_from_pem(issue.bootstrap.as_bytes()).unwrap();
    assert_eq!(bootstrap.len(), 1);
}
