//! Which proxies live: those that everything which must not overtake a proxy waits for.
//!
//! Whether the pod is ready plays no part: a proxy serves before its pod is ready and after it no
//! longer is.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::injection::Rule;
use cluster::watch::ObjectName;
use model::moment::Moment;

use crate::world::{PodFacts, World};

/// The proxies that live, by the uid of their pods.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Live {
    /// `<namespace>/<pod>`, as people write it.
    pub(crate) proxies: BTreeMap<Arc<str>, Arc<str>>,
}

/// Pods that are to have a proxy and have none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Unmeshed {
    pub(crate) total: u32,
    /// The first of them, as `<namespace>/<pod>`.
    pub(crate) named: Vec<Arc<str>>,
}

impl Live {
    /// The proxies that live in `world` at `now`.
    pub(crate) fn of(world: &World, now: Moment) -> Self {
        let live = world.pods.iter().filter(|(_, pod)| is_live(world, pod, now));
        let named = live.map(|(name, pod)| (pod.uid.as_str().into(), label(name)));
        Self { proxies: named.collect() }
    }
}

impl Unmeshed {
    /// The pods of `world` that slipped past the webhook.
    pub(crate) fn of(world: &World, rule: Rule<'_>) -> Self {
        let mut found = Self::default();
        for (name, pod) in world.pods.iter() {
            if pod.meshed || pod.terminal || pod.leaving() {
                continue;
            }
            let namespace = world.namespaces.get(&ObjectName::new("", &name.namespace));
            let Some(namespace) = namespace else { continue };
            if rule.wants_proxy(&name.namespace, &namespace.labels, &pod.traits) {
                found.total += 1;
                if found.named.len() < NAMED {
                    found.named.push(label(name));
                }
            }
        }
        found
    }
}

fn is_live(world: &World, pod: &PodFacts, now: Moment) -> bool {
    let in_grace = pod.deadline.is_none_or(|deadline| now <= deadline);
    pod.proxy_running && !pod.terminal && in_grace && node_may_answer(world, pod, now)
}

/// A node that has been away for a minute is not waited for: what ran there cannot be told
/// anything.
fn node_may_answer(world: &World, pod: &PodFacts, now: Moment) -> bool {
    let node = pod.node.as_ref().and_then(|name| world.nodes.get(&ObjectName::new("", name)));
    let since = |since: Moment| now.since(since) < NODE_PATIENCE;
    node.is_some_and(|node| node.unready_since.is_none_or(since))
}

fn label(name: &ObjectName) -> Arc<str> {
    name.to_string().into()
}

/// How many pods are named at most.
pub(crate) const NAMED: usize = 16;
const NODE_PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
