//! From what is known of the cluster and its proxies to the facts that a rotation's turn is decided
//! by. Pure.

use std::{sync::Arc, time::Duration};

use api::{injection::Rule, mesh::MeshInstallation, mesh::MeshInstallationSpec, names};
use model::{
    acks::Census,
    moment::Moment,
    rotation::{Authority, Held, Plan, Seen},
    trust::Fingerprint,
};
use tokio::time::Instant;

use super::{
    bundle,
    issue::{Issue, decision_of},
    vault::{Broken, Data, Root, Vault},
};
use crate::{
    fleet::{Fleet, live::Live, replicas},
    world::{World, moment},
};

/// Where a rotation's facts are taken from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    pub(super) world: &'a World,
    pub(super) fleet: &'a Fleet,
    pub(super) mesh: &'a MeshInstallation,
    pub(super) own: &'a str,
    /// What the operator itself holds.
    pub(super) operator: Held,
    /// What control replicas were found to serve with, where that was asked.
    pub(super) control: Option<&'a Census<Option<Fingerprint>>>,
    pub(super) now: Moment,
    pub(super) instant: Instant,
}

impl Sight<'_> {
    /// The facts about `vault`, of which `issue` was made last.
    pub(super) fn seen(&self, vault: &Vault, issue: Option<&Issue>) -> Result<Seen, Broken> {
        let active = Root::of(&vault.active)?;
        let next = vault.next.as_ref().map(Root::of).transpose()?;
        let held = self.world.secret(self.own, names::CA_SECRET);
        Ok(Seen {
            now: self.now,
            active: authority(&active),
            next: next.as_ref().map(authority),
            active_made: seconds(active.made),
            active_expires: seconds(active.expires),
            applied: issue.is_some_and(|issue| self.is_applied(vault, issue)),
            proxies: self.proxies(),
            control: self.control.cloned(),
            heard: held.and_then(|facts| decision_of(&facts.data)).unwrap_or(0),
        })
    }

    /// Whether the cluster shows all that was asked for.
    fn is_applied(&self, vault: &Vault, issue: &Issue) -> bool {
        let shows = |name: &str, data: &Data| {
            self.world.secret(self.own, name).is_some_and(|facts| facts.data == *data)
        };
        let honour_istio_labels = self.mesh.spec.injection.honour_istio_labels;
        let rule = Rule { own: self.own, honour_istio_labels };
        let mesh = self.mesh.metadata.uid.as_deref().unwrap_or_default();
        shows(names::CA_ROOT_SECRET, &vault.write())
            && shows(names::CA_SECRET, &issue.secret)
            && bundle::is_spread(self.world, rule, mesh, &issue.bootstrap)
    }

    /// What live proxies hold. One that nobody has heard of may hold anything.
    fn proxies(&self) -> Option<Census<Held>> {
        let replicas = replicas(self.world, self.own);
        if replicas.is_empty() || !self.fleet.is_synced(replicas.keys().map(|uid| &**uid)) {
            return None;
        }
        let live = Live::of(self.world, self.now).proxies;
        let held = live.into_iter().map(|(uid, name)| {
            let proxy = self.fleet.proxy(&uid, self.instant);
            let held = proxy.map(|proxy| Held {
                bundle: proxy.state.trust,
                issuer: proxy.state.leaf.as_ref().map(|leaf| leaf.issuer),
            });
            (name, held.unwrap_or_default())
        });
        let operator: Arc<str> = format!("{}/{}", self.own, names::OPERATOR).into();
        Some(Census::of(held.chain([(operator, self.operator)])))
    }
}

/// What a user wants of rotations.
pub(super) fn plan(spec: &MeshInstallationSpec) -> Plan {
    let rotation = &spec.ca.rotation;
    let early = (spec.ca.root_lifetime.0 / 4).min(EARLY);
    Plan {
        requested_at: rotation.requested_at.as_ref().map(moment),
        abort_requested_at: rotation.abort_requested_at.as_ref().map(moment),
        before_expiry: Some(early),
        max_unsynced: 0,
    }
}

fn authority(root: &Root) -> Authority {
    Authority { root: root.fingerprint(), issuer: root.issuer }
}

fn seconds(unix: i64) -> Moment {
    Moment::from_millis(u64::try_from(unix).unwrap_or(0).saturating_mul(1000))
}

/// How long before its end a root is replaced, unless that is more than a quarter of its life.
const EARLY: Duration = Duration::from_secs(90 * 24 * 3600);

#[cfg(test)]
mod tests;
