//! The facts that a turn is decided by. The caller observes them; nothing here is remembered.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Waiting, reason::Unfit};
use crate::{acks::Census, moment::Moment, revision::Revision, rows::Totals};

/// What was seen. Ask for a turn only when the caches behind it are complete: a pod that is not
/// seen is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Now, in Unix milliseconds (decision numbers start from it).
    pub now: Moment,
    /// The workload.
    pub target: Target,
    /// A service of the rollout that also leads to pods of another workload, if one does.
    pub shared: Option<Arc<str>>,
    /// The live proxies that are subscribed to the rollout's services, and the decision that each
    /// acknowledged last (0: none). Absent while not every control replica has told all it knows.
    pub proxies: Option<Census<u64>>,
    /// The highest decision number heard from anybody: a former operator may have decided more than
    /// it recorded.
    pub heard: u64,
    /// What was counted so far ([`crate::rows::Rows::totals`]). Absent unless every subscribed live
    /// proxy has reported to this process lately.
    pub totals: Option<Totals>,
    /// Whether the API server holds the state that this one is a turn of.
    pub recorded: bool,
    /// `spec.suspend`.
    pub suspend: bool,
    /// `spec.abort`.
    pub abort: bool,
    /// The last pause that a person ended.
    pub approved: Option<Approval>,
}

/// A person's word that a paused step may end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// For this release.
    pub canary: Revision,
    /// Up to this step, counted from 0.
    pub step: u32,
}

/// The workload that a rollout is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// There is none.
    Missing,
    /// It is there, and gates would harm it: nothing is held.
    Unfit(Unfit),
    /// It is there.
    Present(Workload),
}

/// A workload's UID.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Owner(pub Arc<str>);

/// A Deployment and what it has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Workload {
    /// Its UID.
    pub owner: Owner,
    /// The revision of its template as it is now.
    pub wanted: Revision,
    /// How many pods it wants in all.
    pub replicas: u32,
    /// How it replaces pods.
    pub strategy: Strategy,
    /// Whether the wanted template differs from that of the stable revision in its restart time
    /// alone.
    pub restart_only: bool,
    /// Every revision that has a ReplicaSet with replicas wanted or pods left, and the wanted one
    /// if it has a ReplicaSet.
    pub revisions: BTreeMap<Revision, Pods>,
}

/// How a Deployment replaces pods, with percentages resolved as Kubernetes does (surge up,
/// unavailable down).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strategy {
    /// A few at a time.
    RollingUpdate {
        /// How many pods above `replicas` there may be.
        max_surge: u32,
        /// How many of `replicas` may be missing.
        max_unavailable: u32,
    },
    /// All old ones first, then the new.
    Recreate,
}

/// The pods of one revision. A pod that is being deleted counts in `existing` alone, until it is
/// gone (its containers end because they are told to); one on a node that is not Ready in
/// `existing` and `crashes`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pods {
    /// When the revision's ReplicaSet was made.
    pub made: Moment,
    /// How many its ReplicaSet wants.
    pub wanted: u32,
    /// How many there are, in whatever state.
    pub existing: u32,
    /// Those that Kubernetes sends traffic to: Ready, gates included.
    pub serving: u32,
    /// Those whose containers are all ready, gates apart.
    pub healthy: u32,
    /// Those that carry the gate and have it shut.
    pub gated: u32,
    /// How often containers of the application crashed: their restarts, and one for each that has
    /// ended and not been started again.
    pub crashes: u32,
}

impl Seen {
    /// What keeps a release under way from going further up, though all is known that must be.
    pub(super) fn stays(&self) -> Option<Waiting> {
        let shared = self.shared.clone().map(|service| Waiting::SharedService { service });
        shared.or_else(|| self.suspend.then_some(Waiting::Resume))
    }
}

impl Workload {
    /// The pods of `revision`; none if it has none.
    #[must_use]
    pub fn pods(&self, revision: &Revision) -> Pods {
        self.revisions.get(revision).copied().unwrap_or_default()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
