//! The small world, walked whole: every state that can be reached, under everything that can be
//! seen there.

use std::{
    collections::{BTreeMap, HashSet},
    mem::{Discriminant, discriminant},
    sync::LazyLock,
    time::Duration,
};

use super::world::{
    ALL, CRASHED, DARK, GATED, NONE, STARTING, World, acked, counts, plan, revision, some,
};
use crate::{
    moment::Moment,
    revision::Revision,
    rollout::{
        Cause, Event, Gates, Hold, Persisted, Phase, Plan, Pods, Rollout, Seen, Stage, Target,
        guard::Capacity,
        meter::{Meter, Pair},
        run::Run,
    },
    rows::Counts,
    service::Share,
    weight::Weight,
};

/// Longer than every time that the plan or the machine knows.
const LONG: Duration = Duration::from_secs(60);
/// Longer than a release may take.
const AGES: Duration = Duration::from_secs(3_600);
/// The decision number of every state that a turn starts from.
const NUMBER: u64 = 5_000_000_000;

/// What is known of proxies and counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Known {
    /// Nothing: the operator just started.
    Nothing,
    /// Everything but that the record is written.
    Unrecorded,
    /// That a proxy lacks the decision.
    Behind,
    /// That a former operator decided more.
    Overtaken,
    /// All is well.
    Good,
    /// Most requests fail.
    Bad,
    /// Nobody calls.
    Quiet,
}

/// What a person asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wish {
    Nothing,
    Suspend,
    Abort,
    /// Nobody asked for this: a service leads to pods of another workload, too.
    Share,
}

/// Everything that can be seen in a turn.
#[derive(Clone, Copy, Debug)]
struct Facts {
    wanted: &'static str,
    v1: Pods,
    v2: Pods,
    v3: Pods,
    known: Known,
    wish: Wish,
    waited: Duration,
}

/// One turn.
struct Turn<'a> {
    from: &'a Rollout,
    facts: &'a Facts,
    seen: &'a Seen,
    to: &'a Rollout,
    hold: &'a Hold,
}

type Claim = (&'static str, fn(&Turn<'_>) -> bool);

/// What must be true of every turn.
const CLAIMS: &[Claim] = &[
    ("a number never falls and rises with every change", |turn| {
        let (before, after) = (&turn.from.decided, &turn.to.decided);
        let changed = before.split != after.split || turn.facts.known == Known::Overtaken;
        if changed { after.number > before.number.max(turn.seen.heard) } else { after == before }
    }),
    ("what is withdrawn or idle gets nothing", |turn| match turn.to.phase {
        Phase::Withdrawn { .. } => turn.to.decided.weight() == Weight::NONE,
        Phase::Idle | Phase::Completed => turn.to.decided.split.is_none(),
        _ => true,
    }),
    ("traffic never rises without proof", |turn| {
        let proven = matches!(turn.facts.known, Known::Good | Known::Bad | Known::Quiet);
        proven || !turn.rises() || turn.guarded() || turn.weight_is_burden()
    }),
    ("a takeover never raises the weight", |turn| {
        turn.facts.known != Known::Nothing
            || !turn.rises()
            || turn.guarded()
            || turn.weight_is_burden()
    }),
    ("a decision that was overtaken becomes the least", |turn| {
        turn.facts.known != Known::Overtaken || turn.to.decided.weight() <= turn.burden()
    }),
    ("no gate is held when nobody else can serve", |turn| {
        let patience = turn.to.phase.patience();
        let dark = turn.from.dark_since.is_some_and(|since| turn.seen.now.since(since) >= patience);
        let others = turn.capacity();
        let nobody =
            turn.to.phase.run().is_some() && others.serving == 0 && (others.wanted == 0 || dark);
        !nobody || turn.opens_all_that_is_gated()
    }),
    ("a withdrawn revision is not tried again until another is wanted", |turn| {
        let withdrawn = match &turn.from.phase {
            Phase::Withdrawn { run, .. } | Phase::Halted { run, .. } => Some(&run.canary),
            _ => None,
        };
        withdrawn != Some(&turn.wanted())
            || matches!(turn.to.phase, Phase::Withdrawn { .. } | Phase::Halted { .. })
    }),
    ("a breach on traffic ends a release at once", |turn| {
        let canary = turn.from.phase.run().map(|run| turn.workload_pods(&run.canary));
        let live = canary.is_some_and(|pods| pods.healthy > 0);
        let bad = turn.facts.known == Known::Bad && turn.from.decided.weight() > Weight::NONE;
        !bad || !live
            || !turn.stays_on_trial()
            || turn.guarded()
            || !turn.was_measured()
            || turn.is_over_and_out()
    }),
    ("a crash ends a release at once", |turn| {
        let crashed = turn
            .from
            .phase
            .run()
            .is_some_and(|run| turn.workload_pods(&run.canary).crashes > run.crashes_before);
        !crashed || !turn.stays_on_trial() || turn.guarded() || turn.is_over_and_out()
    }),
    ("an abort ends a release at once", |turn| {
        turn.facts.wish != Wish::Abort
            || !turn.stays_on_trial()
            || turn.guarded()
            || turn.to.phase == Phase::Completed
            || turn.is_over_and_out()
    }),
    ("a release that takes too long is over before a gate is opened", |turn| {
        let before = match turn.from.phase {
            Phase::Progressing { .. } => true,
            Phase::Promoting { stage, .. } => stage != Stage::Opening,
            _ => false,
        };
        let late = turn.facts.waited == AGES && before;
        !late || !turn.stays_on_trial() || turn.guarded() || turn.is_over_and_out()
    }),
    ("nothing is raised or promoted while suspended or while a service is shared", |turn| {
        let promoted = matches!(turn.from.phase, Phase::Progressing { .. })
            && matches!(turn.to.phase, Phase::Promoting { .. });
        let halted = matches!(turn.to.phase, Phase::Halted { .. } | Phase::Reverting { .. });
        !matches!(turn.facts.wish, Wish::Suspend | Wish::Share)
            || turn.guarded()
            || halted
            || ((!turn.rises() || turn.weight_is_burden()) && !promoted)
    }),
    ("promotion keeps its order", |turn| {
        let stage = |rollout: &Rollout| match rollout.phase {
            Phase::Promoting { stage, .. } => Some(stage),
            _ => None,
        };
        match (stage(turn.from), stage(turn.to)) {
            _ if turn.guarded() => true,
            (Some(Stage::Opening) | None, Some(Stage::Opening)) => {
                stage(turn.from) == Some(Stage::Opening)
            }
            (Some(Stage::Trusting), Some(Stage::Opening)) => turn.seen.recorded,
            (Some(Stage::Joining), Some(Stage::Trusting)) => {
                let joined = turn.from.decided.split.as_ref().map(|split| split.share);
                turn.seen.recorded && matches!(joined, None | Some(Share::Joined))
            }
            (Some(Stage::Joining), Some(Stage::Opening)) | (None, Some(Stage::Trusting)) => false,
            _ => true,
        }
    }),
    ("a gate is opened only for who is trusted or because nobody else can serve", |turn| {
        let Some(run) = turn.to.phase.run() else { return true };
        let opens = match &turn.hold.gates {
            Gates::All => true,
            Gates::Only(open) => open.contains(&run.canary),
        };
        let opening = matches!(turn.to.phase, Phase::Promoting { stage: Stage::Opening, .. });
        !opens || opening || turn.guarded_after()
    }),
    ("an untrusted revision that is kept out comes in only when nobody else serves", |turn| {
        let Target::Present(workload) = &turn.seen.target else { panic!("it is always there") };
        let opens = |revision: &Revision| match &turn.hold.gates {
            Gates::All => true,
            Gates::Only(open) => open.contains(revision),
        };
        let guarded = turn.to.phase.run().is_some() && turn.guarded_after();
        guarded
            || workload.revisions.iter().all(|(revision, pods)| {
                let shut = pods.gated > 0 && !turn.from.trust.revisions.contains(revision);
                let mut others = workload.revisions.iter().filter(|(other, _)| *other != revision);
                !shut || !opens(revision) || others.all(|(_, pods)| pods.serving == 0)
            })
    }),
    ("trust is given to a canary only when it is let in, or halted and serves alone", |turn| {
        let Some(run) = turn.to.phase.run() else { return true };
        if matches!(turn.to.phase, Phase::Halted { .. }) && turn.guarded_after() {
            return true;
        }
        !turn.to.trust.revisions.contains(&run.canary)
            || matches!(
                turn.to.phase,
                Phase::Promoting { stage: Stage::Trusting | Stage::Opening, .. }
            )
    }),
    ("the template after a release that was halted is tried if anybody serves", |turn| {
        let Target::Present(workload) = &turn.seen.target else { panic!("it is always there") };
        let halted = matches!(turn.to.phase, Phase::Halted { .. });
        let served = workload.revisions.values().any(|pods| pods.serving > 0);
        !halted || !served || !turn.to.trust.revisions.is_empty()
    }),
    ("no canary pod carries more than its share", |turn| {
        let Phase::Progressing { run, .. } = &turn.to.phase else { return true };
        let capacity = turn.capacity_of(run);
        turn.to.decided.weight() <= capacity.fair_share().max(capacity.burden())
    }),
    ("no phase changes without a word", |turn| {
        let kind = |rollout: &Rollout| discriminant(&rollout.phase);
        kind(turn.from) == kind(turn.to) || turn.hold.transition.is_some()
    }),
    ("what is held says what the state says", |turn| {
        turn.hold.decided == turn.to.decided && turn.hold.trust == turn.to.trust
    }),
    ("a record is gone on with unchanged", |turn| {
        Rollout::try_from(Persisted::from(turn.to)).as_ref() == Ok(turn.to)
    }),
];

#[test]
fn every_claim_holds_in_every_turn_of_the_small_world() {
    let broken: Vec<_> = WALK.broken.values().map(String::as_str).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

#[test]
fn the_walk_visits_every_phase() {
    let names: HashSet<_> =
        WALK.states.iter().map(|state| format!("{:?}", Persisted::from(state).phase)).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(WALK.states.len() > 500, "{} states", WALK.states.len());
}

#[test]
fn every_event_but_those_of_a_lost_target_happens() {
    let missing: Vec<_> = [
        Event::StableRecorded,
        Event::ReleaseStarted,
        Event::ReleaseSuperseded,
        Event::StepStarted,
        Event::WeightRaised,
        Event::WeightLowered,
        Event::ReleasePassed,
        Event::ReleaseTrusted,
        Event::GatesOpening,
        Event::GuardOpened,
        Event::ReleaseCompleted,
        Event::ReleaseFailed,
        Event::ReleaseAborted,
        Event::ReleaseHalted,
        Event::RevertStarted,
        Event::RevertCompleted,
        Event::DecisionOvertaken,
    ]
    .into_iter()
    .filter(|event| !WALK.events.contains(event.label()))
    .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn with_all_well_a_new_release_is_completed_from_every_state() {
    for state in &WALK.states {
        let mut cluster =
            Cluster { rollout: state.clone(), wanted: "v9", opened: false, now: now() };
        assert!(
            (0..40).any(|_| cluster.live() == Phase::Completed),
            "stuck in {:?}\nfrom {state:?}",
            cluster.rollout.phase
        );
    }
}

#[test]
fn a_return_to_what_is_trusted_ends_in_peace_from_every_state() {
    let v1 = revision("v1");
    let halted =
        |state: &Rollout| matches!(&state.phase, Phase::Halted { run, .. } if run.canary == v1);
    let trusted = |state: &&Rollout| state.trust.revisions.contains(&v1) && !halted(state);
    for state in WALK.states.iter().filter(trusted) {
        let mut cluster =
            Cluster { rollout: state.clone(), wanted: "v1", opened: true, now: now() };
        let peace = |phase| matches!(phase, Phase::Idle | Phase::Completed);
        assert!((0..10).any(|_| peace(cluster.live())), "stuck in {:?}", cluster.rollout.phase);
        assert_eq!(cluster.rollout.decided.split, None);
    }
}

/// A cluster in which everything goes well.
struct Cluster {
    rollout: Rollout,
    wanted: &'static str,
    opened: bool,
    now: Moment,
}

impl Cluster {
    /// A minute passes, and Kubernetes and the proxies do as they are told.
    fn live(&mut self) -> Phase {
        self.now = self.now.plus(LONG);
        let counted = self.rollout.phase.run().map(|run| run.meter.counted).unwrap_or_default();
        let mut world = World::new();
        world.wanted = self.wanted;
        world.pods = match (self.wanted, self.opened) {
            ("v1", _) => vec![("v1", ALL)],
            (wanted, true) => vec![(wanted, ALL)],
            (wanted, false) => vec![("v1", ALL), (wanted, GATED)],
        };
        world.seen.now = self.now;
        world.seen.proxies = acked(self.rollout.decided.number);
        let more =
            |counts: Counts, attempts| Counts { attempts: counts.attempts + attempts, ..counts };
        world.totals = Some((more(counted.canary, 100), more(counted.base, 900)));
        let seen = world.see(self.wanted);
        let (next, hold) = std::mem::take(&mut self.rollout).next(&plan(), &seen);
        self.rollout = next;
        self.opened |= match &hold.gates {
            Gates::All => true,
            Gates::Only(open) => open.contains(&revision(self.wanted)),
        };
        self.rollout.phase.clone()
    }
}

struct Walk {
    states: Vec<Rollout>,
    broken: BTreeMap<&'static str, String>,
    events: HashSet<&'static str>,
}

/// Walks from nothing until no new state appears. One walk serves all tests.
static WALK: LazyLock<Walk> = LazyLock::new(|| {
    let deadline = Some(Duration::from_secs(600));
    let (facts, plan) = (every_fact(), Plan { progress_deadline: deadline, ..plan() });
    let mut walk = Walk { states: Vec::new(), broken: BTreeMap::new(), events: HashSet::new() };
    let mut known: HashSet<Key> = HashSet::new();
    let mut todo = vec![normal(Rollout::default(), now())];
    while let Some(from) = todo.pop() {
        for facts in &facts {
            let seen = facts.see(&from);
            let (to, hold) = from.clone().next(&plan, &seen);
            walk.events.extend(hold.transition.as_ref().map(|told| told.event.label()));
            let turn = Turn { from: &from, facts, seen: &seen, to: &to, hold: &hold };
            for (name, claim) in CLAIMS {
                if !walk.broken.contains_key(name) && !claim(&turn) {
                    let told = format!(
                        "{name}\nfrom {:?}\nseen {facts:?}\nto   {:?}\nheld {:?}",
                        key(&from),
                        key(&to),
                        hold.gates
                    );
                    walk.broken.insert(name, told);
                }
            }
            let to = normal(to, seen.now);
            if known.insert(key(&to)) {
                todo.push(to);
            }
        }
        walk.states.push(from);
    }
    walk
});

fn now() -> Moment {
    super::world::START
}

fn every_fact() -> Vec<Facts> {
    let mut all = Vec::new();
    let v1s = [ALL, DARK, NONE];
    let canaries = [NONE, STARTING, GATED, CRASHED, some(1), ALL];
    let mut push = |wanted, v1, v2, v3| {
        let mut push = |known, wish, waited| {
            all.push(Facts { wanted, v1, v2, v3, known, wish, waited });
        };
        for known in [
            Known::Nothing,
            Known::Unrecorded,
            Known::Behind,
            Known::Overtaken,
            Known::Good,
            Known::Bad,
            Known::Quiet,
        ] {
            push(known, Wish::Nothing, Duration::ZERO);
        }
        for known in [Known::Nothing, Known::Good] {
            push(known, Wish::Nothing, LONG);
            push(known, Wish::Suspend, Duration::ZERO);
            push(known, Wish::Abort, Duration::ZERO);
        }
        push(Known::Good, Wish::Share, Duration::ZERO);
        push(Known::Good, Wish::Nothing, AGES);
    };
    for v1 in v1s {
        for v2 in canaries {
            push("v2", v1, v2, NONE);
        }
        for v2 in [NONE, GATED, some(1)] {
            push("v1", v1, v2, NONE);
        }
        for v2 in [NONE, some(1)] {
            for v3 in [NONE, GATED] {
                push("v3", v1, v2, v3);
            }
        }
    }
    all
}

impl Facts {
    fn see(&self, from: &Rollout) -> Seen {
        let mut world = World::new();
        world.wanted = self.wanted;
        let pods = [("v1", self.v1), ("v2", self.v2), ("v3", self.v3)];
        let there = |(_, pods): &(&str, Pods)| pods.wanted > 0 || pods.existing > 0;
        world.pods = pods.into_iter().filter(there).collect();
        let number = from.decided.number;
        let behind = self.known == Known::Behind;
        let counted = from.phase.run().map(|run| run.meter.counted).unwrap_or_default();
        let more = |counts: Counts, attempts, failures| Counts {
            attempts: counts.attempts + attempts,
            failures: counts.failures + failures,
            first_failure: None,
        };
        let (attempts, failures) = match self.known {
            Known::Quiet => (0, 0),
            Known::Bad => (100, 100),
            _ => (100, 0),
        };
        let totals = (more(counted.canary, attempts, failures), more(counted.base, 900, 0));
        let nothing = self.known == Known::Nothing;
        world.totals = (!nothing).then_some(totals);
        world.seen = Seen {
            now: now().plus(self.waited),
            proxies: if nothing { None } else { acked(number - u64::from(behind)) },
            heard: if self.known == Known::Overtaken { number + 1 } else { number },
            recorded: self.known != Known::Unrecorded,
            shared: (self.wish == Wish::Share).then(|| "cart".into()),
            suspend: self.wish == Wish::Suspend,
            abort: self.wish == Wish::Abort,
            ..world.seen
        };
        let canary = from.phase.run().map_or(self.wanted, |run| run.canary.as_str());
        world.see(canary)
    }
}

/// The state as it differs from others: times as ages, counts as whether there are any, and no
/// memories.
fn normal(mut state: Rollout, at: Moment) -> Rollout {
    state.decided.number = NUMBER;
    state.history.clear();
    state.rollback = None;
    state.stable = None;
    state.observed = Weight::NONE;
    state.dark_since = state.dark_since.map(|since| aged(since, at));
    state.phase = match state.phase {
        Phase::Progressing { run, mut progress } => {
            progress.since = now();
            progress.reached = progress.reached.map(|since| aged(since, at));
            Phase::Progressing { run: normal_run(run, at), progress }
        }
        Phase::Promoting { run, stage, cause } => {
            Phase::Promoting { run: normal_run(run, at), stage, cause }
        }
        Phase::Withdrawn { run, reason: _ } => {
            let reason = crate::rollout::Reason::NotReady;
            Phase::Withdrawn { run: bare(run), reason }
        }
        Phase::Halted { run, reason: _ } => {
            let reason = crate::rollout::Reason::NotReady;
            Phase::Halted { run: bare(run), reason }
        }
        Phase::Reverting { run } => Phase::Reverting { run: bare(run) },
        phase @ (Phase::Idle | Phase::Completed) => phase,
    };
    state
}

/// Everything by which states in their normal form differ.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Key {
    phase: Discriminant<Phase>,
    step: Option<(u32, Option<Moment>)>,
    stage: Option<(Discriminant<Stage>, Discriminant<Cause>)>,
    met: bool,
    trusted: Vec<Revision>,
    split: Option<(Revision, u32)>,
    dark_since: Option<Moment>,
    run: Option<(Revision, bool, Option<Moment>, u32, bool, u64)>,
    served: Option<(u32, Option<Moment>)>,
}

fn key(state: &Rollout) -> Key {
    let run = state.phase.run().map(|run| {
        let (open, attempts) = (run.meter.open, run.meter.counted.canary.attempts);
        let times = (run.was_healthy, run.unhealthy_since, run.crashes_before);
        (run.canary.clone(), times.0, times.1, times.2, open, attempts)
    });
    let (step, stage) = match &state.phase {
        Phase::Progressing { progress, .. } => (Some((progress.step, progress.reached)), None),
        Phase::Promoting { stage, cause, .. } => {
            (None, Some((discriminant(stage), discriminant(cause))))
        }
        _ => (None, None),
    };
    Key {
        phase: discriminant(&state.phase),
        step,
        stage,
        met: state.trust.owner.is_some(),
        trusted: state.trust.revisions.iter().cloned().collect(),
        split: state.decided.split.as_ref().map(|split| (split.canary.clone(), exposure(state))),
        dark_since: state.dark_since,
        run,
        served: state.phase.run().map(|run| (run.served, run.served_since)),
    }
}

fn normal_run(run: Run, at: Moment) -> Run {
    let none = Pair::default();
    let counted = |pair: Pair| Pair {
        canary: counts(if pair.canary.attempts > 0 { 100 } else { 0 }, 0),
        ..none
    };
    let open = run.meter.open;
    let meter = Meter {
        open,
        counted: if open { counted(run.meter.in_step()) } else { none },
        segment: u32::from(run.meter.segment > 0),
        segment_since: now(),
        ..Meter::default()
    };
    Run {
        started: now(),
        unhealthy_since: run.unhealthy_since.map(|since| aged(since, at)),
        blind_since: None,
        paused_since: None,
        excused: Duration::ZERO,
        served_since: run.served_since.map(|since| aged(since, at)),
        meter,
        ..run
    }
}

/// A release whose past is of no more consequence.
fn bare(run: Run) -> Run {
    Run {
        started: now(),
        was_healthy: false,
        unhealthy_since: None,
        blind_since: None,
        paused_since: None,
        excused: Duration::ZERO,
        served: 0,
        served_since: None,
        meter: Meter::default(),
        crashes_before: 0,
        ..run
    }
}

fn aged(since: Moment, at: Moment) -> Moment {
    let age = at.since(since).min(LONG);
    Moment::from_millis(now().as_millis() - u64::try_from(age.as_millis()).unwrap())
}

fn exposure(rollout: &Rollout) -> u32 {
    match rollout.decided.split.as_ref().map(|split| split.share) {
        None => 0,
        Some(Share::Weighted(weight)) => u32::from(weight.basis_points()),
        Some(Share::Joined) => 10_001,
    }
}

impl Turn<'_> {
    fn wanted(&self) -> Revision {
        revision(self.facts.wanted)
    }

    fn workload_pods(&self, revision: &Revision) -> Pods {
        match &self.seen.target {
            Target::Present(workload) => workload.pods(revision),
            Target::Missing | Target::Unfit(_) => NONE,
        }
    }

    fn capacity_of(&self, run: &Run) -> Capacity {
        let Target::Present(workload) = &self.seen.target else { panic!("it is always there") };
        let mut trust = self.to.trust.clone();
        trust.revisions.extend(self.from.trust.revisions.iter().cloned());
        Capacity::of(workload, &trust, &run.canary)
    }

    /// What there is beside the revision that is on trial afterwards.
    fn capacity(&self) -> Capacity {
        let Target::Present(workload) = &self.seen.target else { panic!("it is always there") };
        let canary = self.to.phase.run().map_or_else(|| self.wanted(), |run| run.canary.clone());
        Capacity::of(workload, &self.to.trust, &canary)
    }

    fn burden(&self) -> Weight {
        self.to.phase.run().map_or(Weight::NONE, |run| self.capacity_of(run).burden())
    }

    /// Whether the canary was not singled out before and gets what the others cannot carry.
    fn weight_is_burden(&self) -> bool {
        let canary = |rollout: &Rollout| Some(rollout.decided.split.as_ref()?.canary.clone());
        self.to.decided.weight() <= self.burden() && canary(self.from) != canary(self.to)
    }

    /// Whether nobody else serves, so that what is held may have to change without proof.
    fn guarded(&self) -> bool {
        self.guarded_after()
            || self.from.phase.run().is_some_and(|run| self.capacity_of(run).serving == 0)
    }

    fn guarded_after(&self) -> bool {
        self.capacity().serving == 0
    }

    fn rises(&self) -> bool {
        exposure(self.to) > exposure(self.from)
    }

    /// Whether the release under way is still the one that is wanted, and under judgement.
    fn stays_on_trial(&self) -> bool {
        let judged = match &self.from.phase {
            Phase::Progressing { .. } => true,
            Phase::Promoting { cause, .. } => cause.is_judged(),
            _ => false,
        };
        let canary = self.from.phase.run().map(|run| &run.canary);
        judged && canary == Some(&self.wanted()) && self.to.phase != Phase::Completed
    }

    fn was_measured(&self) -> bool {
        self.from.phase.run().is_some_and(|run| run.meter.open)
    }

    fn is_over_and_out(&self) -> bool {
        matches!(self.to.phase, Phase::Withdrawn { .. } | Phase::Halted { .. })
            && self.to.decided.weight() <= self.burden()
    }

    fn opens_all_that_is_gated(&self) -> bool {
        let gated = ["v1", "v2", "v3"].map(revision).into_iter();
        let mut gated = gated.filter(|revision| self.workload_pods(revision).gated > 0);
        match &self.hold.gates {
            Gates::All => true,
            Gates::Only(open) => gated.all(|revision| open.contains(&revision)),
        }
    }
}
