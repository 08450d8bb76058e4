use std::time::UNIX_EPOCH;

use api::span::Span;

use super::*;

fn facts(owner: Option<&str>, change: impl Fn(&mut Data)) -> SecretFacts {
    let validity = Validity { now: UNIX_EPOCH, lifetime: Duration::from_secs(1_000_000) };
    let active = mint::authority(&"cluster.local".parse().unwrap(), validity).unwrap();
    let mut data = Vault { active, next: None, rotation: Rotation::default() }.write();
    change(&mut data);
    SecretFacts { owner: owner.map(str::to_owned), data }
}

#[test]
fn a_root_is_made_only_for_a_mesh_that_never_had_one() {
    assert_eq!(find(None, "mesh", None), Found::Never);
    let lost = Trouble::Lost { root: "r".to_owned() };
    assert_eq!(find(None, "mesh", Some("r")), Found::Trouble(lost));
}

#[test]
fn a_damaged_root_is_not_replaced() {
    let damaged = facts(Some("mesh"), |data| drop(data.remove("root.key")));
    for had in [None, Some("r")] {
        let Found::Trouble(trouble) = find(Some(&damaged), "mesh", had) else { panic!() };
        assert!(trouble.is_stalled());
        assert!(trouble.to_string().contains("root.key"), "{trouble}");
    }
}

#[test]
fn a_root_of_a_deleted_mesh_is_not_adopted_and_a_restored_one_is() {
    let former = facts(Some("former"), |_| {});
    assert_eq!(find(Some(&former), "mesh", None), Found::Trouble(Trouble::Former));
    let restored = facts(None, |_| {});
    assert!(matches!(find(Some(&restored), "mesh", Some("r")), Found::Vault(_)));
}

#[test]
fn a_root_is_made_whatever_is_wrong_with_the_rest_of_the_spec() {
    let mut spec = MeshInstallationSpec::default();
    spec.namespace.0 = "elsewhere".to_owned();
    spec.version = Some("9.9.9".to_owned());
    spec.network.cidrs = vec!["10.0.0.0".to_owned()];
    assert!(mint_for(&spec, UNIX_EPOCH).is_ok());
    spec.ca.root_lifetime = Span::days(999_999_999);
    assert!(mint_for(&spec, UNIX_EPOCH).is_ok(), "stored before there was a bound");
    spec.ca.root_lifetime = Span::days(2);
    let trouble = mint_for(&spec, UNIX_EPOCH).unwrap_err();
    assert!(trouble.is_stalled());
    assert!(trouble.to_string().contains("spec.ca.rootLifetime"), "{trouble}");
}

#[test]
fn a_next_root_that_cannot_be_made_leaves_the_others_as_they_are() {
    let facts = facts(Some("mesh"), |_| {});
    let vault = Vault::read(&facts.data).unwrap();
    let spec = MeshInstallationSpec::default();
    let trouble = Trouble::Write("no".to_owned());
    let (kept, told) = keys(vault.clone(), rotation::Vault::MakeNext, || Err(trouble.clone()));
    assert_eq!((&kept, told), (&vault, Some(trouble)));
    let (made, told) = keys(kept, rotation::Vault::MakeNext, || mint_for(&spec, UNIX_EPOCH));
    assert!(made.next.is_some() && made.active == vault.active && told.is_none());
}
