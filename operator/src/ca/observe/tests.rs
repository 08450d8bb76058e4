use std::time::UNIX_EPOCH;

use api::span::Span;
use cluster::watch::{Change, ObjectName};
use model::rotation::{Phase, Rotation};

use super::*;
use crate::{
    ca::mint::{self, Validity},
    world::{BundleFacts, NamespaceFacts, SecretFacts},
};

fn vault() -> Vault {
    let validity = Validity { now: UNIX_EPOCH, lifetime: Duration::from_secs(1_000_000) };
    let made = || mint::authority(&"cluster.local".parse().unwrap(), validity).unwrap();
    Vault { active: made(), next: Some(made()), rotation: Rotation::default() }
}

fn mesh() -> MeshInstallation {
    let mut mesh = MeshInstallation::new("default", MeshInstallationSpec::default());
    mesh.metadata.uid = Some("mesh".to_owned());
    mesh
}

fn seen(world: &World, vault: &Vault, issue: Option<&Issue>) -> Seen {
    let sight = Sight {
        world,
        fleet: &Fleet::default(),
        mesh: &mesh(),
        own: "serin-system",
        operator: Held::default(),
        control: None,
        now: Moment::from_millis(1),
        instant: Instant::now(),
    };
    sight.seen(vault, issue).unwrap()
}

#[tokio::test]
async fn a_phase_is_applied_when_keys_secret_and_every_bundle_are_shown() {
    let vault = vault();
    let mut world = World::default();
    let unproven = seen(&world, &vault, None);
    assert!(!unproven.applied);
    let (_, hold) = Rotation::default().next(&plan(&mesh().spec), &unproven);
    let issue = vault.issue(&hold).unwrap();
    for (name, data) in
        [(names::CA_ROOT_SECRET, vault.write()), (names::CA_SECRET, issue.secret.clone())]
    {
        assert!(!seen(&world, &vault, Some(&issue)).applied);
        let facts = SecretFacts { owner: Some("mesh".to_owned()), data };
        world.secrets.apply(Change::Applied(ObjectName::new("serin-system", name), facts));
    }
    assert!(seen(&world, &vault, Some(&issue)).applied);
    assert_eq!(seen(&world, &vault, Some(&issue)).heard, hold.decision);

    let labels = [("serin.dev/injection".to_owned(), "enabled".to_owned())].into();
    let namespace = NamespaceFacts { labels, leaving: false };
    world.namespaces.apply(Change::Applied(ObjectName::new("", "shop"), namespace));
    assert!(!seen(&world, &vault, Some(&issue)).applied);
    let pem = Some(issue.bootstrap.clone());
    let facts = BundleFacts { uid: "b".to_owned(), pem, owner: Some("mesh".to_owned()) };
    world.bundles.apply(Change::Applied(ObjectName::new("shop", "serin-trust"), facts));
    assert!(seen(&world, &vault, Some(&issue)).applied);
}

#[tokio::test]
async fn without_control_replicas_nothing_is_known_of_proxies() {
    assert_eq!(seen(&World::default(), &vault(), None).proxies, None);
}

#[test]
fn a_short_lived_root_is_replaced_in_its_last_quarter() {
    let mut spec = MeshInstallationSpec::default();
    assert_eq!(plan(&spec).before_expiry, Some(EARLY));
    spec.ca.root_lifetime = Span::days(40);
    assert_eq!(plan(&spec).before_expiry, Some(Span::days(10).0));
    assert_eq!(Rotation::default().phase, Phase::Idle);
}
