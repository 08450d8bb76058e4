//! Claims about rotations: in `walk`, about every order in which proxies may follow; here, about
//! single turns.

use std::time::Duration;

use super::{
    Authority, Cause, Held, Phase, Plan, Rotation, Seen, Transition, Vault, Waiting,
    Which::{Active, Next},
};
use crate::{acks::Census, moment::Moment, trust::Fingerprint};

mod walk;

const NOW: Moment = Moment::from_millis(1_000_000_000);
const OLD: Authority = authority(1);
const NEW: Authority = authority(2);

const fn authority(id: u8) -> Authority {
    Authority { root: Fingerprint([id; 32]), issuer: Fingerprint([id + 100; 32]) }
}

fn asked() -> Plan {
    Plan {
        requested_at: Some(NOW),
        abort_requested_at: None,
        before_expiry: Some(Duration::from_secs(3_600)),
        max_unsynced: 0,
    }
}

fn seen() -> Seen {
    Seen {
        now: NOW.plus(Duration::from_secs(1)),
        active: OLD,
        next: Some(NEW),
        active_made: Moment::ZERO,
        active_expires: NOW.plus(Duration::from_secs(86_400)),
        applied: true,
        proxies: Some(Census::default()),
        control: Some(Census::default()),
        heard: 0,
    }
}

fn proxies(held: &[(&str, Held)]) -> Option<Census<Held>> {
    Some(Census::of(held.iter().map(|(name, held)| ((*name).into(), *held))))
}

/// A proxy that trusts these and whose leaf is of this one.
fn holding(trusted: &[Authority], leaf: Authority) -> Held {
    let bundle = Fingerprint::of_bundle(trusted.iter().map(|authority| authority.root));
    Held { bundle: Some(bundle), issuer: Some(leaf.issuer) }
}

#[test]
fn a_request_makes_a_root_first_and_is_carried_out_once() {
    let (idle, hold) = Rotation::default().next(&asked(), &Seen { next: None, ..seen() });
    assert_eq!((idle.phase, hold.vault), (Phase::Idle, Vault::MakeNext));
    assert_eq!((hold.trusted, hold.waiting), (vec![Active], Some(Waiting::NextAuthority)));
    let (started, hold) = idle.next(&asked(), &seen());
    assert_eq!(hold.transition, Some(Transition::Started));
    assert_eq!(started.handled, asked().requested_at);
    let over = Rotation { phase: Phase::Idle, ..started };
    let (rested, hold) = over.next(&asked(), &Seen { next: None, ..seen() });
    assert_eq!((rested.phase, hold.vault, hold.waiting), (Phase::Idle, Vault::Keep, None));
}

#[test]
fn each_phase_holds_what_the_table_says() {
    let (both, new) = ([Active, Next].as_slice(), [Next].as_slice());
    let mut rotation = Rotation::default();
    for (label, trusted, bootstrap, signing, serving) in [
        ("TrustBoth", both, both, Active, Active),
        ("Issuing", both, both, Next, Active),
        ("Draining", both, both, Next, Next),
        ("Draining", new, both, Next, Next),
        ("Retired", new, new, Next, Next),
    ] {
        // There is nobody to ask here, so every phase has its proof.
        let (next, hold) = rotation.next(&asked(), &seen());
        assert_eq!(next.phase.label(), label);
        let held = (hold.trusted.as_slice(), hold.bootstrap.as_slice());
        assert_eq!(held, (trusted, bootstrap), "{label}");
        assert_eq!((hold.signing, hold.serving), (signing, serving), "{label}");
        rotation = next;
    }
}

#[test]
fn a_request_for_later_or_from_before_the_root_is_not_carried_out() {
    let none = |seen: &Seen| Rotation::default().next(&asked(), seen).1.vault == Vault::Keep;
    assert!(none(&Seen { now: Moment::ZERO, next: None, ..seen() }));
    assert!(none(&Seen { active_made: NOW, next: None, ..seen() }));
    let taken_back = Plan { abort_requested_at: asked().requested_at, ..asked() };
    let hold = Rotation::default().next(&taken_back, &Seen { next: None, ..seen() }).1;
    assert_eq!(hold.vault, Vault::Keep);
}

#[test]
fn a_root_that_expires_soon_is_replaced_unasked() {
    let plan = Plan { requested_at: None, ..asked() };
    let late = Seen { now: NOW.plus(Duration::from_secs(83_000)), ..seen() };
    let (started, _) = Rotation::default().next(&plan, &late);
    assert_eq!(started.phase.change().map(|change| change.cause), Some(Cause::Expiring));
    assert_eq!(started.handled, None);
    assert_eq!(Rotation::default().next(&plan, &seen()).0.phase, Phase::Idle);
}

#[test]
fn a_phase_that_is_stuck_names_who_holds_it_up() {
    let (started, _) = Rotation::default().next(&asked(), &seen());
    let held = proxies(&[
        ("shop/good", holding(&[OLD, NEW], OLD)),
        ("shop/frozen", holding(&[OLD], OLD)),
        ("shop/unheard", Held::default()),
    ]);
    let (stuck, hold) = started.clone().next(&asked(), &Seen { proxies: held, ..seen() });
    assert_eq!(stuck.phase, started.phase);
    let Some(Waiting::Bundles(proof)) = hold.waiting else { panic!("{hold:?}") };
    assert_eq!((proof.synced, proof.total), (1, 3));
    assert_eq!(proof.names(), "shop/frozen, shop/unheard");
}

#[test]
fn nothing_moves_while_control_is_unknown_or_writes_are_under_way() {
    let (started, _) = Rotation::default().next(&asked(), &seen());
    for seen in [Seen { proxies: None, ..seen() }, Seen { applied: false, ..seen() }] {
        assert_eq!(started.clone().next(&asked(), &seen).0.phase, started.phase);
    }
}

#[test]
fn an_authority_that_vanishes_leaves_the_active_one() {
    let (started, _) = Rotation::default().next(&asked(), &seen());
    let (number, lost) = (started.decision, Seen { next: None, ..seen() });
    let (idle, hold) = started.next(&asked(), &lost);
    assert_eq!((idle.phase, hold.transition), (Phase::Idle, Some(Transition::NextLost)));
    assert_eq!(hold.trusted, [Active]);
    assert!(hold.decision > number);
}

#[test]
fn a_higher_number_that_is_heard_is_overtaken_before_anything_moves() {
    let (started, _) = Rotation::default().next(&asked(), &seen());
    let heard = started.decision + 7;
    let (next, hold) = started.clone().next(&asked(), &Seen { heard, ..seen() });
    assert_eq!(next.phase, started.phase);
    assert!(hold.decision > heard);
    assert_eq!(hold.transition, Some(Transition::Renumbered));
}

#[test]
fn the_first_bundle_has_a_number() {
    let quiet = Plan { requested_at: None, ..asked() };
    let (idle, hold) = Rotation::default().next(&quiet, &Seen { next: None, ..seen() });
    assert!(hold.decision > 0);
    assert_eq!(idle.next(&quiet, &Seen { next: None, ..seen() }).1.decision, hold.decision);
}
