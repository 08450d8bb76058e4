use std::time::UNIX_EPOCH;

use api::{mesh::MeshInstallationSpec, span::Span};

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
fn nothing_is_minted_for_a_spec_that_is_wrong() {
    let mut mesh = MeshInstallation::new("default", MeshInstallationSpec::default());
    mesh.metadata.uid = Some("mesh".to_owned());
    let text = str::to_owned;
    let operator = Operator {
        namespace: text("serin-system"),
        images: text("serin.dev"),
        version: text("1.2.3"),
    };
    assert!(mint_for(&mesh, &operator, UNIX_EPOCH).is_ok());
    mesh.spec.ca.root_lifetime = Span::days(999_999_999);
    let trouble = mint_for(&mesh, &operator, UNIX_EPOCH).unwrap_err();
    assert!(trouble.is_stalled());
    assert!(trouble.to_string().contains("spec.ca.rootLifetime"), "{trouble}");
}
