//! What the control replicas tell about proxies, merged: a proxy is known once, however many
//! replicas it was connected to, and no attempt that it reports is counted twice.
//!
//! Pure: the caller brings the time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{
    decision::RolloutId,
    moment::Moment,
    rows::{Counts, Life, Rows, Target, Totals},
};
use tokio::time::Instant;
use wire::message::{FromReplica, ProxyState, Row};

/// Everything that replicas told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    replicas: BTreeMap<Arc<str>, Replica>,
    rows: BTreeMap<RolloutId, Rows>,
}

/// What one replica told.
#[derive(Clone, Debug, Default)]
struct Replica {
    synced: bool,
    proxies: BTreeMap<Arc<str>, Seen>,
}

/// What was told of one proxy, and when.
#[derive(Clone, Debug)]
struct Seen {
    state: ProxyState,
    at: Instant,
}

/// What happened on the stream of one replica.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// The stream is open; what was known through the last one is forgotten.
    Opened,
    /// The replica said something.
    Said(Box<FromReplica>),
    /// The stream is over.
    Closed,
}

/// A proxy, as the replica that heard of it last knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proxy<'a> {
    pub(crate) state: &'a ProxyState,
    /// For how long nothing was heard of it.
    pub(crate) silent: Duration,
}

impl Fleet {
    /// Takes in what `replica` told.
    pub(crate) fn take(&mut self, replica: &Arc<str>, told: Told, now: Instant) {
        match told {
            Told::Opened => drop(self.replicas.insert(Arc::clone(replica), Replica::default())),
            Told::Closed => drop(self.replicas.remove(replica)),
            Told::Said(message) => self.hear(replica, *message, now),
        }
    }

    /// Drops replicas that are not to be kept, and says whether there were any.
    pub(crate) fn forget(&mut self, keep: impl Fn(&str) -> bool) -> bool {
        let before = self.replicas.len();
        self.replicas.retain(|uid, _| keep(uid));
        before != self.replicas.len()
    }

    /// Whether each of `replicas` has told all it knew when its stream was opened.
    pub(crate) fn is_synced<'a>(&self, mut replicas: impl Iterator<Item = &'a str>) -> bool {
        replicas.all(|replica| self.replicas.get(replica).is_some_and(|known| known.synced))
    }

    /// The proxy in the pod with this uid.
    pub(crate) fn proxy(&self, uid: &str, now: Instant) -> Option<Proxy<'_>> {
        let seen = self.replicas.values().filter_map(|replica| replica.proxies.get(uid));
        let known = seen.map(|seen| seen.proxy(now));
        known.min_by_key(|proxy| (std::cmp::Reverse(proxy.state.epoch), proxy.silent))
    }

    /// The decision on `rollout` that the proxy acknowledged last, if it calls its services.
    pub(crate) fn acked(proxy: &Proxy<'_>, rollout: &RolloutId) -> Option<u64> {
        let held = proxy.state.decisions.iter().find(|held| held.rollout == *rollout);
        held.map(|held| held.acked)
    }

    /// The highest decision on `rollout` that any proxy holds.
    pub(crate) fn heard(&self, rollout: &RolloutId) -> u64 {
        let states = self.replicas.values().flat_map(|replica| replica.proxies.values());
        let held = states.flat_map(|seen| &seen.state.decisions);
        held.filter(|held| held.rollout == *rollout).map(|held| held.acked).max().unwrap_or(0)
    }

    /// What was counted for `rollout`.
    pub(crate) fn totals(&self, rollout: &RolloutId) -> Totals {
        self.rows.get(rollout).map(|rows| rows.totals().clone()).unwrap_or_default()
    }

    /// Forgets rollouts that are gone.
    pub(crate) fn retain(&mut self, keep: impl Fn(&RolloutId) -> bool) {
        self.rows.retain(|rollout, _| keep(rollout));
    }

    /// Forgets what was counted of a rollout for targets that nobody judges by any more.
    pub(crate) fn retain_targets(&mut self, rollout: &RolloutId, keep: impl Fn(&Target) -> bool) {
        if let Some(rows) = self.rows.get_mut(rollout) {
            rows.retain(keep);
        }
    }

    fn hear(&mut self, replica: &Arc<str>, message: FromReplica, now: Instant) {
        let Some(known) = self.replicas.get_mut(replica) else { return };
        match message {
            FromReplica::Proxy(state) => {
                let uid = Arc::clone(&state.pod_uid);
                known.proxies.insert(uid, Seen { state, at: now });
            }
            FromReplica::Gone(uid) => {
                known.proxies.remove(&uid);
                let elsewhere = self.replicas.values().any(|r| r.proxies.contains_key(&uid));
                if !elsewhere {
                    self.rows.values_mut().for_each(|rows| rows.end(&uid));
                }
            }
            FromReplica::Rows(told) => {
                let life = Life { proxy: told.pod_uid, epoch: told.epoch };
                told.rows.into_iter().for_each(|row| self.count(&life, row));
            }
            FromReplica::Synced => known.synced = true,
            FromReplica::Heartbeat => {}
        }
    }

    fn count(&mut self, life: &Life, row: Row) {
        let target = row.revision.map_or(Target::Base, Target::Revision);
        let first = Some(row.first_failure_millis).filter(|millis| *millis > 0);
        let counts = Counts {
            attempts: row.attempts,
            failures: row.failures,
            first_failure: first.map(Moment::from_millis),
        };
        let rows = self.rows.entry(row.rollout).or_default();
        if let Err(refused) = rows.merge(life, &target, counts) {
            tracing::warn!(%refused, proxy = %life.proxy, "a row was not counted");
        }
    }
}

impl Seen {
    fn proxy(&self, now: Instant) -> Proxy<'_> {
        let silent = self.state.silent + now.saturating_duration_since(self.at);
        Proxy { state: &self.state, silent }
    }
}

#[cfg(test)]
mod tests;
