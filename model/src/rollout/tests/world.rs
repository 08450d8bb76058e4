//! A small cluster that tests set up in a line.

use std::time::Duration;

use crate::{
    acks::Census,
    moment::Moment,
    revision::Revision,
    rollout::{
        OnMetricUnavailable, OnNoTraffic, Owner, Pause, Plan, Pods, Seen, Step, Strategy, Target,
        Workload,
    },
    rows::{self, Counts, Totals},
    verdict::Slo,
    weight::Weight,
};

pub(super) const START: Moment = Moment::from_millis(1_000_000_000);
pub(super) const HOLD: Duration = Duration::from_secs(10);
pub(super) const REPLICAS: u32 = 4;

pub(super) fn revision(name: &str) -> Revision {
    Revision::new(name).unwrap()
}

pub(super) fn percent(weight: u8) -> Weight {
    Weight::from_percent(weight).unwrap()
}

pub(super) fn step(weight: u8) -> Step {
    Step { weight: percent(weight), hold: HOLD, min_requests: 10, pause: Pause::None }
}

pub(super) fn plan() -> Plan {
    Plan {
        steps: vec![step(5), step(50)],
        slo: Slo {
            max_error_ratio: 0.01,
            compare: true,
            max_failed_requests: None,
            min_requests: 0,
        },
        on_no_traffic: OnNoTraffic::Hold,
        on_metric_unavailable: OnMetricUnavailable::Hold,
        max_unsynced: 0,
        skip_analysis: false,
        restarts_are_releases: false,
        progress_deadline: None,
    }
}

/// Pods of the stable revision, or of any that replaced it: all wanted, all serving.
pub(super) const ALL: Pods = Pods { wanted: REPLICAS, ..some(REPLICAS) };
/// Wanted, there, and serving nobody.
pub(super) const DARK: Pods = Pods { wanted: REPLICAS, existing: REPLICAS, ..NONE };
/// One that has not started.
pub(super) const STARTING: Pods = Pods { wanted: 1, existing: 1, ..NONE };
/// One whose containers are ready and whose gate is shut.
pub(super) const GATED: Pods = Pods { healthy: 1, gated: 1, ..STARTING };
/// One that crashed.
pub(super) const CRASHED: Pods = Pods { crashes: 1, gated: 1, ..STARTING };
/// None.
pub(super) const NONE: Pods =
    Pods { made: START, wanted: 0, existing: 0, serving: 0, healthy: 0, gated: 0, crashes: 0 };

/// This many that serve.
pub(super) const fn some(serving: u32) -> Pods {
    Pods { wanted: serving, existing: serving, serving, healthy: serving, ..NONE }
}

/// What the world looks like: `v1` serves and is wanted, everybody has acknowledged everything.
#[derive(Clone)]
pub(super) struct World {
    pub(super) wanted: &'static str,
    pub(super) replicas: u32,
    pub(super) pods: Vec<(&'static str, Pods)>,
    pub(super) totals: Option<(Counts, Counts)>,
    pub(super) seen: Seen,
}

impl World {
    pub(super) fn new() -> Self {
        let seen = Seen {
            now: START,
            target: Target::Missing,
            shared: None,
            proxies: Some(Census::default()),
            heard: 0,
            totals: None,
            recorded: true,
            suspend: false,
            abort: false,
            approved: None,
        };
        let counted = Some((Counts::default(), Counts::default()));
        let pods = vec![("v1", ALL)];
        Self { wanted: "v1", replicas: REPLICAS, pods, totals: counted, seen }
    }

    /// The workload as it is.
    pub(super) fn workload(&self) -> Workload {
        let made = |at: usize| START.plus(Duration::from_millis(u64::try_from(at).unwrap()));
        let pods = |(at, (name, pods)): (usize, &(&str, Pods))| {
            (revision(name), Pods { made: made(at), ..*pods })
        };
        Workload {
            owner: Owner("uid-a".into()),
            wanted: revision(self.wanted),
            replicas: self.replicas,
            strategy: Strategy::RollingUpdate { max_surge: 1, max_unavailable: 0 },
            restart_only: false,
            revisions: self.pods.iter().enumerate().map(pods).collect(),
        }
    }

    /// What is seen of it, where `canary` is counted apart.
    pub(super) fn see(&self, canary: &str) -> Seen {
        let totals = self.totals.map(|(canary_counts, base)| {
            let target = rows::Target::Revision(revision(canary));
            Totals::from([(target, canary_counts), (rows::Target::Base, base)])
        });
        let target = match &self.seen.target {
            Target::Present(workload) => Target::Present(workload.clone()),
            Target::Missing | Target::Unfit(_) => Target::Present(self.workload()),
        };
        Seen { target, totals, ..self.seen.clone() }
    }
}

/// One proxy that has acknowledged this decision.
pub(super) fn acked(number: u64) -> Option<Census<u64>> {
    Some(Census::of([("shop/caller".into(), number)]))
}

pub(super) fn counts(attempts: u64, failures: u64) -> Counts {
    Counts { attempts, failures, first_failure: None }
}
