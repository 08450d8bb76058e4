use cluster::watch::Change;

use super::*;
use crate::rollout::observe::tests::Small;

fn name(pod: &str) -> ObjectName {
    ObjectName::new("shop", pod)
}

/// A release with one gated pod.
fn on_trial() -> Small {
    let mut small = Small::new();
    small.deployment("v2", |_| {});
    small.set("v2", 2, 1);
    small.pod("d", "v2", |pod| pod.gate = Gate::Shut);
    small
}

#[test]
fn a_gate_is_kept_while_its_workload_has_a_rollout() {
    assert!(orphans(&on_trial().world).is_empty());
}

#[test]
fn a_rollout_that_is_deleted_leaves_gates_that_are_nobodys() {
    let mut small = on_trial();
    small.pod("e", "v2", |pod| {
        pod.gate = Gate::Shut;
        pod.deadline = Some(model::moment::Moment::ZERO);
    });
    small.pod("f", "v2", |pod| pod.gate = Gate::Open);
    small.world.rollouts.apply(Change::Deleted(name("cart")));
    assert_eq!(orphans(&small.world), [(name("d"), "d".to_owned())].into());
}

#[test]
fn so_does_a_workload_that_leaves_its_pods_behind() {
    let mut small = on_trial();
    small.world.deployments.apply(Change::Deleted(name("cart")));
    assert_eq!(orphans(&small.world), [(name("d"), "d".to_owned())].into());
}

#[test]
fn a_gate_is_opened_only_when_it_has_been_nobodys_for_a_while() {
    let orphans = Orphans::from([(name("d"), "d".to_owned())]);
    let (mut since, start) = (BTreeMap::new(), Instant::now());
    let mut ripe = |orphans: &Orphans, after| ripe(&mut since, orphans, start + after).len();
    assert_eq!(ripe(&orphans, Duration::ZERO), 0);
    assert_eq!(ripe(&orphans, PATIENCE - AGAIN), 0);
    assert_eq!(ripe(&orphans, PATIENCE), 1);
    // The rollout came back for a moment.
    assert_eq!(ripe(&Orphans::new(), PATIENCE), 0);
    assert_eq!(ripe(&orphans, PATIENCE), 0);
}
