//! What the status says, given what was seen. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::{
    injection::Rule,
    mesh::{
        MeshDisplay, MeshInstallation, MeshInstallationStatus, ProxiesStatus, RolloutsStatus,
        lifetime,
    },
    names,
    span::Span,
};
use cluster::watch::ObjectName;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use model::moment::Moment;
use tokio::time::Instant;

use super::{
    condition::{Says, merge},
    text,
};
use crate::{
    ca,
    fleet::{
        Fleet,
        live::{Live, NAMED, Unmeshed},
        merge::Proxy,
    },
    mesh::{Installed, valid::Operator},
    world::World,
};

/// Everything that the status is made of.
pub(super) struct Seen<'a> {
    pub(super) mesh: &'a MeshInstallation,
    pub(super) world: &'a World,
    pub(super) operator: &'a Operator,
    pub(super) installed: &'a Installed,
    pub(super) authority: &'a ca::View,
    pub(super) fleet: &'a Fleet,
    /// Unix milliseconds.
    pub(super) now: u64,
    pub(super) instant: Instant,
}

/// Replicas of one of our programs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Replicas {
    ready: u32,
    wanted: u32,
    /// Whether the Deployment is where its spec wants it.
    settled: bool,
}

/// Proxies that live, and those that are where they should be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Count {
    total: u32,
    synced: u32,
    named: Vec<Arc<str>>,
}

/// Whether a proxy holds the newest of all it subscribed to, and is heard of.
pub(crate) fn holds_newest(proxy: &Proxy<'_>) -> bool {
    let state = proxy.state;
    proxy.silent < SILENCE && state.acked >= state.subscribed && state.stale_keys.is_empty()
}

impl Seen<'_> {
    /// The status that follows `before`.
    pub(super) fn status(&self, before: Option<&MeshInstallationStatus>) -> MeshInstallationStatus {
        let count = self.count();
        let unmeshed = self.unmeshed();
        let (control, webhook) = (self.replicas(names::CONTROL), self.replicas(names::WEBHOOK));
        let rollouts = rollouts(self.world);
        let display = self.display(&count, &rollouts, control, webhook);
        let held = before.map(|status| status.conditions.as_slice()).unwrap_or_default();
        let says = self.conditions(control, webhook);
        MeshInstallationStatus {
            observed_generation: self.installed.generation,
            version: Some(self.operator.version.clone()),
            conditions: merge(held, says, self.installed.generation, &self.time()),
            proxies: Some(ProxiesStatus {
                total: signed(count.total),
                synced: signed(count.synced),
                laggards: texts(&count.named),
            }),
            unmeshed: Some(signed(unmeshed.total)),
            unmeshed_pods: texts(&unmeshed.named),
            ca: self.authority.status.clone().or_else(|| before?.ca.clone()),
            rollouts: Some(rollouts),
            display: Some(display),
        }
    }

    fn count(&self) -> Count {
        let live = Live::of(self.world, Moment::from_millis(self.now));
        let mut count = Count::default();
        for (uid, name) in live.proxies {
            count.total += 1;
            let proxy = self.fleet.proxy(&uid, self.instant);
            if proxy.is_some_and(|proxy| holds_newest(&proxy)) {
                count.synced += 1;
            } else if count.named.len() < NAMED {
                count.named.push(name);
            }
        }
        count
    }

    fn unmeshed(&self) -> Unmeshed {
        let honour_istio_labels = self.mesh.spec.injection.honour_istio_labels;
        Unmeshed::of(self.world, Rule { own: &self.operator.namespace, honour_istio_labels })
    }

    fn replicas(&self, name: &str) -> Replicas {
        let name = ObjectName::new(&self.operator.namespace, name);
        let Some(facts) = self.world.deployments.get(&name) else { return Replicas::default() };
        let current = facts.observed_generation >= facts.generation;
        let (ready, wanted) = (facts.ready, facts.replicas);
        Replicas { ready, wanted, settled: current && ready >= wanted && facts.updated >= wanted }
    }

    fn conditions(&self, control: Replicas, webhook: Replicas) -> Vec<Says> {
        let stalled = self.stalled();
        let waiting = self.waiting(control, webhook);
        let serves = control.ready > 0 && webhook.ready > 0 && self.authority.issue.is_some();
        // A change that is being applied does not make what runs any less ready.
        let ready = serves && self.installed.generation.is_some() && stalled.is_none();
        let why = stalled.clone().or_else(|| waiting.clone());
        let running = || {
            (
                RUNNING,
                format!(
                    "control plane {}/{}, webhook {}/{}",
                    control.ready, control.wanted, webhook.ready, webhook.wanted
                ),
            )
        };
        let (reason, message) = match why {
            Some(why) if !ready => why,
            _ => running(),
        };
        let mut says =
            vec![Says { type_: "Ready", status: ready, reason: reason.to_owned(), message }];
        says.extend(waiting.filter(|_| stalled.is_none()).map(|(reason, message)| Says {
            type_: "Reconciling",
            status: true,
            reason: reason.to_owned(),
            message,
        }));
        says.extend(stalled.map(|(reason, message)| Says {
            type_: "Stalled",
            status: true,
            reason: reason.to_owned(),
            message,
        }));
        says.extend(shortened(self.mesh));
        says
    }

    /// What only a person can help with.
    fn stalled(&self) -> Option<(&'static str, String)> {
        let install = self.installed.trouble.as_ref().filter(|trouble| trouble.stalled);
        let install = install.map(|trouble| (trouble.reason, trouble.sentence.clone()));
        let authority = self.authority.trouble.as_ref().filter(|trouble| trouble.is_stalled());
        install.or_else(|| authority.map(|trouble| (trouble.label(), trouble.to_string())))
    }

    /// What is still to happen by itself.
    fn waiting(&self, control: Replicas, webhook: Replicas) -> Option<(&'static str, String)> {
        if let Some(trouble) = &self.installed.trouble {
            return Some((trouble.reason, trouble.sentence.clone()));
        }
        if let Some(trouble) = &self.authority.trouble {
            return Some((trouble.label(), trouble.to_string()));
        }
        if self.installed.generation != self.mesh.metadata.generation {
            return Some(("Applying", "the installation is being applied".to_owned()));
        }
        if self.authority.issue.is_none() {
            return Some(("NoAuthority", "the certificate authority is being made".to_owned()));
        }
        let missing = |replicas: Replicas| !replicas.settled;
        (missing(control) || missing(webhook)).then(|| {
            let message = format!(
                "control plane {}/{} ready, webhook {}/{} ready",
                control.ready, control.wanted, webhook.ready, webhook.wanted
            );
            ("ReplicasNotReady", message)
        })
    }

    fn display(
        &self,
        count: &Count,
        rollouts: &RolloutsStatus,
        control: Replicas,
        webhook: Replicas,
    ) -> MeshDisplay {
        let expires = self.authority.status.as_ref().and_then(|ca| ca.root_expires_at.as_ref());
        let left = expires.map(|time| text::days_left(time.0.as_second(), self.now));
        MeshDisplay {
            proxies: text::fraction(count.synced, count.total),
            ca: self.authority.status.as_ref().map(text::phase).unwrap_or_default(),
            root_expires: left.unwrap_or_default(),
            rollouts: text::rollouts(rollouts.total, rollouts.active, rollouts.failed),
            control: text::fraction(control.ready, control.wanted),
            webhook: text::fraction(webhook.ready, webhook.wanted),
            laggards: text::laggards(&count.named, count.total - count.synced),
        }
    }

    fn time(&self) -> Time {
        let millis = i64::try_from(self.now).unwrap_or(i64::MAX);
        // Conditions carry whole seconds.
        let second = Timestamp::from_second(millis / 1000);
        Time(second.unwrap_or_default())
    }
}

/// That roots live for less than the spec says: it was stored before there was a bound.
fn shortened(mesh: &MeshInstallation) -> Option<Says> {
    let (asked, most) = (mesh.spec.ca.root_lifetime, Span(lifetime::LONGEST_ROOT));
    (asked > most).then(|| Says {
        type_: "RootLifetimeShortened",
        status: true,
        reason: "TooLong".to_owned(),
        message: format!("{}; it is {asked}: roots are made for {most}", lifetime::ROOT_BOUNDS),
    })
}

/// The rollouts of the cluster, by the phase that their status names.
fn rollouts(world: &World) -> RolloutsStatus {
    let mut phases: BTreeMap<&str, i32> = BTreeMap::new();
    for (_, rollout) in world.rollouts.iter() {
        let phase = rollout.status.as_ref().and_then(|status| status.phase.as_deref());
        *phases.entry(phase.unwrap_or_default()).or_default() += 1;
    }
    let sum = |names: &[&str]| names.iter().filter_map(|name| phases.get(name)).sum();
    RolloutsStatus {
        total: phases.values().sum(),
        active: sum(&["Progressing", "Paused", "Suspended", "Promoting", "Reverting"]),
        failed: sum(&["Failed", "Aborted", "Halted"]),
    }
}

fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn texts(names: &[Arc<str>]) -> Vec<String> {
    names.iter().map(|name| (**name).to_owned()).collect()
}

/// A proxy that was not heard of for this long is behind, whatever it held.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);
const RUNNING: &str = "Running";

#[cfg(test)]
mod tests;
