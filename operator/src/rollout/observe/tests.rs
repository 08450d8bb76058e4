use api::canary::CanaryRollout;
use cluster::watch::{Change, Mirror};
use model::trust::Fingerprint;
use serde_json::json;

use super::*;
use crate::{
    fleet::merge::Told,
    world::{NodeFacts, ServiceFacts},
};

/// A small cluster: Deployment `cart` in namespace `shop`.
pub(in crate::rollout) struct Small {
    pub(in crate::rollout) world: World,
    pub(in crate::rollout) fleet: Fleet,
    pub(in crate::rollout) rollout: CanaryRollout,
    pub(in crate::rollout) id: RolloutId,
}

fn put<T: PartialEq>(mirror: &mut Mirror<T>, namespace: &str, name: &str, object: T) {
    mirror.apply(Change::Applied(ObjectName::new(namespace, name), object));
}

pub(in crate::rollout) fn rollout(name: &str, created: &str) -> CanaryRollout {
    let object = json!({
        "apiVersion": "serin.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": { "name": name, "namespace": "shop", "uid": name, "creationTimestamp": created },
        "spec": { "targetRef": { "name": "cart" } },
    });
    serde_json::from_value(object).unwrap()
}

impl Small {
    /// Three pods of revision `v1` that serve, and the service that leads to them.
    pub(in crate::rollout) fn new() -> Self {
        let mut small = Self {
            world: World::default(),
            fleet: Fleet::default(),
            rollout: rollout("cart", "2026-01-01T00:00:00Z"),
            id: RolloutId::new("shop", "cart"),
        };
        put(&mut small.world.nodes, "", "n", NodeFacts::default());
        small.deployment("v1", |_| {});
        small.set("v1", 1, 3);
        for pod in ["a", "b", "c"] {
            small.pod(pod, "v1", |_| {});
        }
        small.service("cart", &[("app", "cart")]);
        let rollout = small.rollout.clone();
        put(&mut small.world.rollouts, "shop", "cart", rollout);
        small
    }

    pub(in crate::rollout) fn deployment(
        &mut self,
        template: &str,
        change: impl Fn(&mut DeploymentFacts),
    ) {
        let mut facts = DeploymentFacts {
            uid: "d".to_owned(),
            leaving: false,
            replicas: 3,
            strategy: StrategyFacts::RollingUpdate { max_surge: 1, max_unavailable: 0 },
            progress_deadline_seconds: Some(600),
            pod_labels: [("app".to_owned(), "cart".to_owned())].into(),
            template: crate::world::template(template),
            generation: 1,
            observed_generation: 1,
            ready: 3,
            updated: 3,
        };
        change(&mut facts);
        put(&mut self.world.deployments, "shop", "cart", facts);
    }

    pub(in crate::rollout) fn set(&mut self, revision: &str, ordinal: u64, wanted: u32) {
        let facts = ReplicaSetFacts {
            owner: "d".to_owned(),
            uid: revision.to_owned(),
            revision: Revision::new(revision).unwrap(),
            created: Moment::from_millis(ordinal),
            ordinal,
            wanted,
            template: crate::world::template(revision),
            failure: None,
        };
        put(&mut self.world.replica_sets, "shop", &format!("cart-{revision}"), facts);
    }

    pub(in crate::rollout) fn pod(
        &mut self,
        name: &str,
        revision: &str,
        change: impl Fn(&mut PodFacts),
    ) {
        let (kind, set) = ("ReplicaSet".to_owned(), format!("cart-{revision}"));
        let mut facts = PodFacts {
            uid: name.to_owned(),
            labels: [("app".to_owned(), "cart".to_owned())].into(),
            owner: Some(crate::world::Owner { kind, name: set, uid: revision.to_owned() }),
            revision: Some(Revision::new(revision).unwrap()),
            node: Some("n".to_owned()),
            meshed: true,
            ready: true,
            containers_ready: true,
            ..PodFacts::default()
        };
        change(&mut facts);
        put(&mut self.world.pods, "shop", name, facts);
    }

    /// A pod of another workload that the target's service leads to.
    pub(in crate::rollout) fn stranger(&mut self) {
        self.pod("x", "v9", |pod| {
            let owner = crate::world::Owner {
                kind: "ReplicaSet".to_owned(),
                name: "other-v9".to_owned(),
                uid: "elsewhere".to_owned(),
            };
            pod.owner = Some(owner);
        });
    }

    pub(in crate::rollout) fn service(&mut self, name: &str, selector: &[(&str, &str)]) {
        let pairs = selector.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let facts = ServiceFacts {
            selector: pairs.collect(),
            publishes_unready: false,
            load_balancer: false,
        };
        put(&mut self.world.services, "shop", name, facts);
    }

    pub(in crate::rollout) fn look<T>(&self, ask: impl FnOnce(&Sight<'_>) -> T) -> T {
        let now = Moment::from_millis(1_000_000);
        ask(&Sight {
            world: &self.world,
            live: &Live::of(&self.world, now),
            fleet: &self.fleet,
            rollout: &self.rollout,
            id: &self.id,
            own: "serin-system",
            now,
            instant: Instant::now(),
        })
    }

    fn seen(&self) -> Seen {
        let stable = Revision::new("v1").unwrap();
        self.look(|sight| sight.seen(sight.subject().as_ref(), Some(&stable), true))
    }

    fn workload(&self) -> Workload {
        match self.seen().target {
            Target::Present(workload) => workload,
            other => panic!("{other:?}"),
        }
    }

    fn pods(&self, revision: &str) -> Pods {
        self.workload().pods(&Revision::new(revision).unwrap())
    }
}

#[tokio::test]
async fn a_deployment_at_rest_is_seen_as_one_revision_that_serves() {
    let small = Small::new();
    let workload = small.workload();
    assert_eq!(workload.wanted.as_str(), "v1");
    assert_eq!(workload.revisions.len(), 1);
    let pods = small.pods("v1");
    assert_eq!((pods.wanted, pods.existing, pods.serving, pods.healthy), (3, 3, 3, 3));
    let services = small.look(|sight| sight.subject().unwrap().services);
    assert_eq!(services, ["cart".into()]);
}

#[tokio::test]
async fn a_gated_pod_is_healthy_and_does_not_serve() {
    let mut small = Small::new();
    small.deployment("v2", |_| {});
    small.set("v2", 2, 1);
    small.pod("d", "v2", |pod| {
        pod.ready = false;
        pod.gate = Gate::Shut;
        pod.crashes = 2;
    });
    assert_eq!(small.workload().wanted.as_str(), "v2");
    let pods = small.pods("v2");
    assert_eq!((pods.serving, pods.healthy, pods.gated, pods.crashes), (0, 1, 1, 2));
}

#[tokio::test]
async fn what_is_leaving_or_on_a_lost_node_exists_and_does_nothing_else() {
    let mut small = Small::new();
    small.pod("a", "v1", |pod| pod.deadline = Some(Moment::ZERO));
    small.pod("b", "v1", |pod| pod.node = Some("lost".to_owned()));
    small.pod("c", "v1", |pod| pod.terminal = true);
    let pods = small.pods("v1");
    assert_eq!((pods.existing, pods.serving, pods.healthy), (2, 0, 0));
}

#[tokio::test]
async fn containers_that_end_because_their_pod_is_deleted_did_not_crash() {
    let mut small = Small::new();
    small.pod("a", "v1", |pod| {
        pod.deadline = Some(Moment::ZERO);
        pod.crashes = 1;
    });
    assert_eq!(small.pods("v1").crashes, 0);
}

#[tokio::test]
async fn until_a_new_template_has_its_replica_set_the_former_one_is_wanted() {
    let mut small = Small::new();
    small.deployment("v2", |_| {});
    assert_eq!(small.workload().wanted.as_str(), "v1");
}

#[tokio::test]
async fn a_template_that_comes_back_is_the_revision_it_was() {
    let mut small = Small::new();
    small.set("v2", 2, 1);
    small.deployment("v1", |_| {});
    assert_eq!(small.workload().wanted.as_str(), "v1");
}

#[tokio::test]
async fn a_service_that_also_leads_elsewhere_is_seen_beside_the_workload() {
    let mut small = Small::new();
    assert_eq!(small.seen().shared, None);
    small.stranger();
    let seen = small.seen();
    assert_eq!(seen.shared.as_deref(), Some("cart"));
    assert!(matches!(seen.target, Target::Present(_)));
}

#[tokio::test]
async fn the_older_of_two_rollouts_has_the_target() {
    let mut small = Small::new();
    let older = rollout("older", "2025-01-01T00:00:00Z");
    put(&mut small.world.rollouts, "shop", "older", older);
    assert_eq!(small.seen().target, Target::Unfit(Unfit::SharedTarget));
    small.rollout = rollout("cart", "2024-01-01T00:00:00Z");
    assert!(matches!(small.seen().target, Target::Present(_)));
}

#[tokio::test]
async fn without_a_control_replica_nothing_is_known_of_proxies() {
    assert_eq!(Small::new().seen().proxies, None);
    assert_eq!(Small::new().seen().totals, None);
}

#[tokio::test]
async fn a_live_proxy_that_nobody_has_heard_of_counts_as_behind() {
    let mut small = Small::new();
    small.pod("a", "v1", |pod| pod.proxy_running = true);
    let control = PodFacts {
        uid: "k".to_owned(),
        labels: [("app.kubernetes.io/name".to_owned(), "serin-control".to_owned())].into(),
        address: Some("10.0.0.1".to_owned()),
        ready: true,
        ..PodFacts::default()
    };
    put(&mut small.world.pods, "serin-system", "control", control);
    assert_eq!(small.seen().proxies, None);
    let now = Instant::now();
    small.fleet.take(&"k".into(), Told::Opened, now);
    let synced = wire::message::FromReplica::Synced;
    small.fleet.take(&"k".into(), Told::Said(Box::new(synced)), now);
    let held: Vec<_> = small.seen().proxies.unwrap().live.into_iter().collect();
    assert_eq!(held, [("shop/a".into(), 0)]);
}

#[test]
fn templates_are_told_apart_by_their_content() {
    let one: Fingerprint = crate::world::template("v1").whole;
    assert_ne!(one, crate::world::template("v2").whole);
}
