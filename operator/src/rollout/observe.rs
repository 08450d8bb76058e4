//! From what is known of the cluster and its proxies to the facts that a rollout's turn is decided
//! by. Pure.

use std::{collections::BTreeSet, sync::Arc};

use api::canary::CanaryRollout;
use cluster::watch::ObjectName;
use model::{
    acks::Census,
    decision::RolloutId,
    moment::Moment,
    revision::Revision,
    rollout::{Owner, Pods, Seen, Strategy, Target, Unfit, Workload},
};
use tokio::time::Instant;

use crate::{
    fleet::{Fleet, live::Live, replicas},
    mesh::report::SILENCE,
    world::{DeploymentFacts, Gate, PodFacts, ReplicaSetFacts, ServiceFacts, StrategyFacts, World},
};

/// Where a rollout's facts are taken from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    pub(super) world: &'a World,
    pub(super) fleet: &'a Fleet,
    pub(super) rollout: &'a CanaryRollout,
    pub(super) live: &'a Live,
    pub(super) id: &'a RolloutId,
    /// The mesh's own namespace.
    pub(super) own: &'a str,
    pub(super) now: Moment,
    pub(super) instant: Instant,
}

/// The workload as the cluster shows it, with what belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Subject<'a> {
    pub(super) deployment: &'a DeploymentFacts,
    pub(super) sets: Vec<&'a ReplicaSetFacts>,
    /// Its pods that have not ended, by name.
    pub(super) pods: Vec<(&'a ObjectName, &'a PodFacts)>,
    /// The services that lead to it, or are named in the spec.
    pub(super) services: Vec<Arc<str>>,
}

impl Subject<'_> {
    /// Whether `service` leads to a pod of it, or to those that it is about to make.
    pub(super) fn is_met(&self, service: &ServiceFacts) -> bool {
        let mut pods = self.pods.iter();
        service.selects(&self.deployment.pod_labels)
            || pods.any(|(_, pod)| service.selects(&pod.labels))
    }
}

impl<'a> Sight<'a> {
    /// The facts, for a machine whose stable revision is `stable`.
    pub(super) fn seen(
        &self,
        subject: Option<&Subject<'_>>,
        stable: Option<&Revision>,
        recorded: bool,
    ) -> Seen {
        Seen {
            now: self.now,
            target: subject.map_or(Target::Missing, |subject| self.target(subject, stable)),
            shared: subject.and_then(|subject| Some(Arc::clone(self.shared(subject)?.0))),
            proxies: self.proxies(),
            heard: self.fleet.heard(self.id),
            totals: self.is_counted().then(|| self.fleet.totals(self.id)),
            recorded,
            suspend: self.rollout.spec.suspend,
            abort: self.rollout.spec.abort,
            approved: None,
        }
    }

    /// The workload, if it is there and not about to go.
    pub(super) fn subject(&self) -> Option<Subject<'a>> {
        let name = ObjectName::new(&self.id.namespace, &self.rollout.spec.target_ref.name);
        let deployment = &**self.world.deployments.get(&name)?;
        if deployment.leaving {
            return None;
        }
        let sets = self.world.replica_sets.in_namespace(&self.id.namespace);
        let sets: Vec<_> =
            sets.map(|(_, set)| &**set).filter(|set| set.owner == deployment.uid).collect();
        let uids: BTreeSet<&str> = sets.iter().map(|set| set.uid.as_str()).collect();
        let pods = self.world.pods.in_namespace(&self.id.namespace).map(|(n, pod)| (n, &**pod));
        let own =
            |pod: &PodFacts| pod.owner.as_ref().is_some_and(|o| uids.contains(o.uid.as_str()));
        let pods = pods.filter(|(_, pod)| !pod.terminal && own(pod)).collect();
        Some(Subject { deployment, sets, pods, services: self.services(deployment) })
    }

    fn services(&self, deployment: &DeploymentFacts) -> Vec<Arc<str>> {
        let named = &self.rollout.spec.services;
        if !named.is_empty() {
            return named.iter().map(|service| service.name.as_str().into()).collect();
        }
        let all = self.world.services.in_namespace(&self.id.namespace);
        let leads = all.filter(|(_, service)| service.selects(&deployment.pod_labels));
        leads.map(|(name, _)| Arc::clone(&name.name)).collect()
    }

    fn target(&self, subject: &Subject<'_>, stable: Option<&Revision>) -> Target {
        if self.shares_target() {
            return Target::Unfit(Unfit::SharedTarget);
        }
        match wanted(subject) {
            Some(wanted) => Target::Present(self.workload(subject, wanted, stable)),
            // Its first ReplicaSet is about to be made.
            None => Target::Missing,
        }
    }

    fn workload(
        &self,
        subject: &Subject<'_>,
        wanted: &ReplicaSetFacts,
        stable: Option<&Revision>,
    ) -> Workload {
        let deployment = subject.deployment;
        let stable = subject.sets.iter().find(|set| Some(&set.revision) == stable);
        let restart_only = stable.is_some_and(|stable| {
            stable.template.whole != wanted.template.whole
                && stable.template.but_restart == wanted.template.but_restart
        });
        let revisions =
            subject.sets.iter().map(|set| (set.revision.clone(), self.pods(subject, set)));
        let matters = |(revision, pods): &(Revision, Pods)| {
            pods.wanted > 0 || pods.existing > 0 || *revision == wanted.revision
        };
        Workload {
            owner: Owner(deployment.uid.as_str().into()),
            wanted: wanted.revision.clone(),
            replicas: deployment.replicas,
            strategy: match deployment.strategy {
                StrategyFacts::Recreate => Strategy::Recreate,
                StrategyFacts::RollingUpdate { max_surge, max_unavailable } => {
                    Strategy::RollingUpdate { max_surge, max_unavailable }
                }
            },
            restart_only,
            revisions: revisions.filter(matters).collect(),
        }
    }

    fn pods(&self, subject: &Subject<'_>, set: &ReplicaSetFacts) -> Pods {
        let mut counted = Pods { made: set.created, wanted: set.wanted, ..Pods::default() };
        let own = |pod: &PodFacts| pod.owner.as_ref().is_some_and(|owner| owner.uid == set.uid);
        for (_, pod) in subject.pods.iter().filter(|(_, pod)| own(pod)) {
            counted.existing += 1;
            if pod.leaving() {
                // Its containers end because they are told to.
                continue;
            }
            counted.crashes = counted.crashes.saturating_add(pod.crashes);
            if !self.node_is_ready(pod) {
                continue;
            }
            counted.serving += u32::from(pod.ready);
            counted.healthy += u32::from(pod.containers_ready);
            counted.gated += u32::from(pod.gate == Gate::Shut);
        }
        counted
    }

    /// Containers of a node that went away look ready for as long as nobody tells otherwise.
    fn node_is_ready(&self, pod: &PodFacts) -> bool {
        let node =
            pod.node.as_ref().and_then(|name| self.world.nodes.get(&ObjectName::new("", name)));
        node.is_some_and(|node| node.unready_since.is_none())
    }

    /// Of several rollouts with one target the oldest has it.
    fn shares_target(&self) -> bool {
        let age = |rollout: &CanaryRollout| {
            let meta = &rollout.metadata;
            (meta.creation_timestamp.as_ref().map(|time| time.0), meta.name.clone())
        };
        let target = &self.rollout.spec.target_ref;
        let mut others = self.world.rollouts.in_namespace(&self.id.namespace);
        others.any(|(_, other)| {
            other.metadata.deletion_timestamp.is_none()
                && other.spec.target_ref.name == target.name
                && age(other) < age(self.rollout)
        })
    }

    /// A service of the rollout that also leads to pods of another workload, and one of them.
    pub(super) fn shared<'b>(
        &self,
        subject: &'b Subject<'_>,
    ) -> Option<(&'b Arc<str>, &'a ObjectName)> {
        let own: BTreeSet<&str> = subject.pods.iter().map(|(_, pod)| pod.uid.as_str()).collect();
        let namespace = &self.id.namespace;
        subject.services.iter().find_map(|name| {
            let service = self.world.services.get(&ObjectName::new(namespace, name))?;
            let mut pods = self.world.pods.in_namespace(namespace);
            let (pod, _) = pods.find(|(_, pod)| {
                let stranger = !own.contains(pod.uid.as_str()) && !self.is_namesake(pod);
                stranger && !pod.terminal && !pod.leaving() && service.selects(&pod.labels)
            })?;
            Some((name, pod))
        })
    }

    /// Whether a pod is of a Deployment with the target's name: a former one, whose pods are about
    /// to go.
    fn is_namesake(&self, pod: &PodFacts) -> bool {
        let target = &self.rollout.spec.target_ref.name;
        let set = pod.revision.as_ref().map(|revision| format!("{target}-{revision}"));
        let owner = pod.owner.as_ref().filter(|owner| owner.kind == "ReplicaSet");
        owner.is_some_and(|owner| Some(&owner.name) == set.as_ref())
    }

    /// What the live proxies that call the services acknowledged. A live proxy that nobody has
    /// heard of counts as behind: it may hold anything.
    fn proxies(&self) -> Option<Census<u64>> {
        let replicas = replicas(self.world, self.own);
        if replicas.is_empty() || !self.fleet.is_synced(replicas.keys().map(|uid| &**uid)) {
            return None;
        }
        let held = self.live.proxies.iter().filter_map(|(uid, name)| {
            let acked = match self.fleet.proxy(uid, self.instant) {
                Some(proxy) => Fleet::acked(&proxy, self.id)?,
                None => 0,
            };
            Some((Arc::clone(name), acked))
        });
        Some(Census::of(held))
    }

    /// Whether counts arrive: from one proxy at least that calls the services, or it is certain
    /// that there is none. One that is silent must not hide what the others see.
    fn is_counted(&self) -> bool {
        let heard = self.live.proxies.keys().filter_map(|uid| self.fleet.proxy(uid, self.instant));
        let calling = heard.filter(|proxy| Fleet::acked(proxy, self.id).is_some());
        let silences: Vec<bool> = calling.map(|proxy| proxy.silent < SILENCE).collect();
        if silences.is_empty() { self.proxies().is_some() } else { silences.contains(&true) }
    }
}

/// The ReplicaSet of the template as it is now; while that is about to be made, the one before it.
/// Of several with equal templates the oldest is meant, as the Deployment controller does it.
fn wanted<'a>(subject: &Subject<'a>) -> Option<&'a ReplicaSetFacts> {
    let equal =
        subject.sets.iter().filter(|set| set.template.whole == subject.deployment.template.whole);
    let oldest = equal.min_by_key(|set| (set.created, set.revision.clone()));
    oldest.or_else(|| subject.sets.iter().max_by_key(|set| set.ordinal)).copied()
}

#[cfg(test)]
pub(super) mod tests;
