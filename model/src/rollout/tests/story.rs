//! Releases told turn by turn.

use std::collections::BTreeSet;

use std::time::Duration;

use super::world::{
    ALL, CRASHED, DARK, GATED, HOLD, NONE, REPLICAS, START, STARTING, World, acked, counts,
    percent, plan, revision, some, step,
};
use crate::{
    moment::Moment,
    rollout::{
        Approval, Checks, Event, Gates, Hold, OnMetricUnavailable, OnNoTraffic, Outcome, Owner,
        Pause, Phase, Plan, Pods, Reason, Rollout, Stage, Standing, Step, Strategy, Target, Unfit,
        Waiting,
        guard::{DARK as DARK_TIME, DARK_WITHDRAWN, FLAP},
    },
    service::Share,
    verdict::{Rule, Verdict},
    weight::Weight,
};

const SECOND: Duration = Duration::from_secs(1);

/// A rollout and the world that it is in. Everybody acknowledges everything unless told otherwise.
struct Story {
    rollout: Rollout,
    plan: Plan,
    world: World,
    all_ack: bool,
    events: Vec<Event>,
}

impl Story {
    /// `v1` serves; nothing is known of it.
    fn new(plan: Plan) -> Self {
        let (rollout, world) = (Rollout::default(), World::new());
        Self { rollout, plan, world, all_ack: true, events: Vec::new() }
    }

    /// `v2` is on trial with one pod that is ready, and has the first step's weight.
    fn on_trial(plan: Plan) -> Self {
        let mut story = Self::new(plan);
        story.settle();
        story.apply("v2", GATED);
        story.settle();
        story
    }

    /// The template changes, and its first pod is like this.
    fn apply(&mut self, wanted: &'static str, pods: Pods) {
        self.world.wanted = wanted;
        self.world.pods.push((wanted, pods));
    }

    fn pods(&mut self, name: &'static str, pods: Pods) {
        self.world.pods.retain(|(other, _)| *other != name);
        if pods.existing > 0 || pods.wanted > 0 {
            self.world.pods.push((name, pods));
        }
    }

    fn turn(&mut self) -> Hold {
        if self.all_ack {
            self.world.seen.proxies = acked(self.rollout.decided.number);
        }
        let canary = self.rollout.phase.run().map_or(self.world.wanted, |run| run.canary.as_str());
        let seen = self.world.see(canary);
        let (rollout, hold) = std::mem::take(&mut self.rollout).next(&self.plan, &seen);
        self.rollout = rollout;
        self.events.extend(hold.transition.as_ref().map(|told| told.event));
        hold
    }

    /// Turns until nothing happens.
    fn settle(&mut self) -> Hold {
        for _ in 0..20 {
            let hold = self.turn();
            if hold.transition.is_none() {
                return hold;
            }
        }
        panic!("it never rests: {:?}", self.events);
    }

    fn pass(&mut self, span: Duration) -> &mut Self {
        self.world.seen.now = self.world.seen.now.plus(span);
        self
    }

    /// This many more requests on the canary, and nine times as many on the others.
    fn serve(&mut self, attempts: u64, failures: u64) -> &mut Self {
        let (canary, base) = self.world.totals.unwrap_or_default();
        let more = counts(canary.attempts + attempts, canary.failures + failures);
        self.world.totals = Some((more, counts(base.attempts + 9 * attempts, base.failures)));
        self
    }

    /// A step's time passes and its requests are served well.
    fn endure(&mut self) -> Hold {
        self.pass(HOLD).serve(100, 0).settle()
    }

    /// A service leads to pods of another workload, too.
    fn share(&mut self) {
        self.world.seen.shared = Some("cart".into());
    }

    fn reason(&self) -> Option<&'static str> {
        match &self.rollout.phase {
            Phase::Withdrawn { reason, .. } | Phase::Halted { reason, .. } => Some(reason.label()),
            _ => None,
        }
    }
}

#[test]
fn a_good_release_goes_step_by_step_and_nothing_else_is_let_in() {
    let mut story = Story::new(plan());
    assert_eq!(story.settle().gates, Gates::Only([revision("v1")].into()));
    story.apply("v2", STARTING);
    let hold = story.settle();
    assert_eq!((hold.desired, hold.waiting), (Weight::NONE, Some(Waiting::CanaryPod)));
    story.pods("v2", GATED);
    let hold = story.settle();
    assert_eq!((hold.desired, hold.observed), (percent(5), percent(5)));
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
    let hold = story.endure();
    // One of four pods is a quarter, whatever the step says.
    assert_eq!((hold.step, hold.desired), (Some((1, 2)), percent(25)));
    let hold = story.endure();
    assert_eq!(hold.standing, Standing::Promoting);
    assert_eq!(hold.gates, Gates::Only([revision("v1"), revision("v2")].into()));
    story.world.pods = vec![("v2", ALL)];
    let hold = story.settle();
    assert_eq!((hold.standing, hold.decided.split), (Standing::Completed, None));
    assert_eq!(hold.trust.revisions, [revision("v2")].into());
    assert_eq!(story.rollout.stable, Some(revision("v2")));
    assert_eq!(
        story.events,
        [
            Event::StableRecorded,
            Event::ReleaseStarted,
            Event::WeightRaised,
            Event::StepStarted,
            Event::ReleasePassed,
            Event::ReleaseTrusted,
            Event::GatesOpening,
            Event::ReleaseCompleted,
        ]
    );
    assert_eq!(story.rollout.history[0].outcome, Outcome::Completed);
    assert_eq!(story.rollout.history[0].counted.attempts, 200);
}

#[test]
fn a_step_waits_for_its_proxies_its_time_and_its_requests() {
    let mut story = Story::on_trial(plan());
    assert!(matches!(story.turn().waiting, Some(Waiting::Time { .. })));
    story.pass(HOLD).serve(4, 0);
    assert_eq!(story.turn().waiting, Some(Waiting::Requests { had: 4, needed: 10 }));
    story.serve(100, 0);
    story.all_ack = false;
    story.world.seen.proxies = acked(1);
    let hold = story.turn();
    let Some(Waiting::Proxies(proof)) = hold.waiting else { panic!("{hold:?}") };
    assert_eq!((proof.missing(), proof.names()), (1, "shop/caller".to_owned()));
    story.plan.max_unsynced = 1;
    assert_eq!(story.turn().transition.unwrap().event, Event::StepStarted);
}

#[test]
fn the_time_of_a_step_counts_from_when_the_proxies_hold_it() {
    let mut story = Story::new(plan());
    story.settle();
    story.apply("v2", GATED);
    story.settle();
    story.all_ack = false;
    story.world.seen.proxies = acked(story.rollout.decided.number);
    story.pass(HOLD).serve(100, 0);
    assert_eq!(story.turn().step, Some((1, 2)));
    story.world.seen.proxies = acked(story.rollout.decided.number - 1);
    story.pass(HOLD).serve(100, 0).turn();
    story.world.seen.proxies = acked(story.rollout.decided.number);
    let hold = story.pass(SECOND).turn();
    let until = story.world.seen.now.plus(HOLD);
    assert_eq!(hold.waiting, Some(Waiting::Time { until }));
    assert_eq!(hold.again_at, Some(until));
}

#[test]
fn more_canary_pods_raise_the_weight_up_to_the_step_and_fewer_lower_it_at_once() {
    let mut story = Story::on_trial(plan());
    story.endure();
    story.pods("v2", Pods { existing: 3, healthy: 3, gated: 3, ..GATED });
    assert_eq!(story.settle().desired, percent(50));
    story.all_ack = false;
    story.world.seen.proxies = None;
    story.pods("v2", GATED);
    let hold = story.turn();
    assert_eq!((hold.desired, hold.observed), (percent(25), percent(50)));
    assert_eq!(hold.transition.unwrap().event, Event::WeightLowered);
}

#[test]
fn errors_take_a_release_out_at_once_and_when_is_written_down() {
    let mut story = Story::on_trial(plan());
    story.all_ack = false;
    let bad_at = START.plus(SECOND);
    story.pass(SECOND * 2).serve(40, 0);
    let mut canary = counts(40, 10);
    canary.first_failure = Some(bad_at);
    story.world.totals = Some((canary, counts(360, 0)));
    let hold = story.turn();
    assert_eq!((hold.desired, hold.standing), (Weight::NONE, Standing::Failed));
    assert_eq!(hold.waiting, Some(Waiting::Fix));
    let told = hold.transition.unwrap();
    assert_eq!(
        told.sentence,
        "v2 was withdrawn: 10 of 40 requests (25 %) failed, of the other pods' 0 of 360 requests \
         (0 %) in the same time"
    );
    let rollback = |story: &Story| story.rollout.rollback.clone().unwrap();
    let withdrawn_at = story.world.seen.now;
    assert_eq!(rollback(&story).first_bad_at, Some(bad_at));
    assert_eq!((rollback(&story).at, rollback(&story).zero_at), (withdrawn_at, None));
    story.all_ack = true;
    story.pass(SECOND).turn();
    assert_eq!(rollback(&story).zero_at, Some(withdrawn_at.plus(SECOND)));
    assert_eq!(story.rollout.observed, Weight::NONE);
    assert_eq!(story.rollout.history.len(), 1);
}

#[test]
fn a_withdrawn_release_stays_out_until_the_template_changes() {
    let mut story = Story::on_trial(plan());
    story.serve(40, 40).turn();
    assert_eq!(story.pass(SECOND * 1_000).serve(100, 0).settle().standing, Standing::Failed);
    story.apply("v3", GATED);
    let hold = story.settle();
    assert_eq!((hold.standing, hold.canary), (Standing::Progressing, Some(revision("v3"))));
    assert_eq!(hold.desired, percent(5));
}

#[test]
fn a_revert_ends_a_release_and_the_same_revision_may_then_be_tried_again() {
    let mut story = Story::on_trial(plan());
    story.serve(40, 40).turn();
    story.world.wanted = "v1";
    let hold = story.turn();
    assert_eq!((hold.standing, hold.desired), (Standing::Reverting, Weight::NONE));
    assert_eq!(hold.waiting, Some(Waiting::Leaving { left: 1 }));
    story.pods("v2", NONE);
    let hold = story.settle();
    assert_eq!((hold.standing, hold.decided.split), (Standing::Idle, None));
    story.apply("v2", GATED);
    // What it did before is not held against it.
    let hold = story.settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Progressing, percent(5)));
}

#[test]
fn a_third_template_starts_at_nothing() {
    let mut story = Story::on_trial(plan());
    let number = story.rollout.decided.number;
    story.apply("v3", STARTING);
    let hold = story.turn();
    assert_eq!(hold.transition.unwrap().event, Event::ReleaseSuperseded);
    assert_eq!((hold.canary, hold.desired), (Some(revision("v3")), Weight::NONE));
    assert!(hold.decided.number > number);
    assert_eq!(story.rollout.history[0].outcome, Outcome::Superseded);
}

#[test]
fn a_crash_takes_a_release_out_before_it_had_any_traffic() {
    let mut story = Story::new(plan());
    story.settle();
    story.apply("v2", STARTING);
    story.settle();
    story.pods("v2", CRASHED);
    let hold = story.turn();
    assert_eq!((hold.standing, story.reason()), (Standing::Failed, Some("Crashed")));
    assert_eq!(hold.transition.unwrap().sentence, "v2 was withdrawn: a container crashed");
}

#[test]
fn crashes_from_before_the_release_do_not_count_and_leave_with_their_pods() {
    let mut story = Story::new(plan());
    story.settle();
    story.apply("v2", Pods { crashes: 3, ..GATED });
    assert_eq!(story.settle().standing, Standing::Progressing);
    story.pods("v2", GATED);
    assert_eq!(story.settle().standing, Standing::Progressing);
    story.pods("v2", Pods { crashes: 1, ..GATED });
    assert_eq!(story.settle().standing, Standing::Failed);
}

#[test]
fn a_readiness_flap_empties_the_canary_at_once_and_fails_it_only_if_it_lasts() {
    let mut story = Story::on_trial(plan());
    story.pods("v2", STARTING);
    assert_eq!(story.turn().desired, Weight::NONE);
    story.pass(FLAP - SECOND);
    assert_eq!(story.settle().standing, Standing::Progressing);
    story.pods("v2", GATED);
    assert_eq!(story.settle().desired, percent(5));
    story.pods("v2", NONE);
    let hold = story.turn();
    assert_eq!(
        (hold.desired, hold.again_at),
        (Weight::NONE, Some(story.world.seen.now.plus(FLAP)))
    );
    assert_eq!(story.pass(FLAP).settle().standing, Standing::Failed);
    assert_eq!(story.reason(), Some("NotReady"));
}

#[test]
fn requests_that_found_no_canary_pod_during_a_flap_do_not_fail_the_release() {
    let mut story = Story::on_trial(plan());
    story.pods("v2", STARTING);
    // Proxies count a failure where the canary has no endpoint, and some report it late.
    assert_eq!(story.serve(20, 20).settle().standing, Standing::Progressing);
    story.pods("v2", GATED);
    story.all_ack = false;
    story.serve(20, 20).settle();
    story.all_ack = true;
    assert_eq!(story.settle().desired, percent(5));
    assert_eq!(story.pass(HOLD).serve(100, 0).settle().step, Some((1, 2)));
    assert_eq!(story.serve(20, 20).settle().standing, Standing::Failed);
}

#[test]
fn without_requests_a_step_waits_or_goes_on_as_the_plan_says() {
    let mut story = Story::on_trial(plan());
    let hold = story.pass(HOLD).settle();
    assert_eq!(hold.waiting.unwrap().label(), "NoTraffic");
    assert_eq!(hold.checks.unwrap().verdict, Verdict::NoTraffic);
    story.plan.on_no_traffic = OnNoTraffic::Advance;
    assert_eq!(story.settle().step, Some((1, 2)));
}

#[test]
fn without_reports_nothing_rises_and_the_release_is_withdrawn_only_if_the_plan_says_so() {
    let after = SECOND * 30;
    let mut story = Story::on_trial(plan());
    story.world.totals = None;
    story.pass(SECOND * 600);
    assert_eq!(story.settle().waiting, Some(Waiting::Telemetry));
    story.plan.on_metric_unavailable = OnMetricUnavailable::Withdraw { after };
    story.world.totals = Some((counts(0, 0), counts(0, 0)));
    story.settle();
    story.world.totals = None;
    assert_eq!(story.pass(SECOND).settle().standing, Standing::Progressing);
    assert_eq!(story.pass(after).settle().standing, Standing::Failed);
    assert_eq!(story.reason(), Some("MetricUnavailable"));
}

#[test]
fn a_doubtful_release_waits_for_more_requests() {
    let mut story = Story::on_trial(plan());
    let hold = story.pass(HOLD).serve(100, 2).settle();
    assert_eq!(hold.waiting, Some(Waiting::Evidence));
    // The others fail alike, and the ratio is what it should be.
    story.world.totals = Some((counts(300, 2), counts(2_700, 20)));
    assert_eq!(story.settle().step, Some((1, 2)));
}

#[test]
fn a_pause_waits_for_the_word_of_a_person_on_this_release() {
    let paused = Step { pause: Pause::UntilApproved, ..step(5) };
    let mut story = Story::on_trial(Plan { steps: vec![paused], ..plan() });
    story.plan.progress_deadline = Some(SECOND * 60);
    assert_eq!(story.endure().standing, Standing::Paused);
    assert_eq!(story.pass(SECOND * 600).settle().standing, Standing::Paused);
    let approval = |canary| Some(Approval { canary: revision(canary), step: 0 });
    story.world.seen.approved = approval("v1");
    assert_eq!(story.settle().standing, Standing::Paused);
    story.world.seen.approved = approval("v2");
    assert_eq!(story.settle().standing, Standing::Promoting);
}

#[test]
fn a_suspended_release_stays_where_it_is_and_is_still_withdrawn() {
    let mut story = Story::on_trial(plan());
    story.world.seen.suspend = true;
    let hold = story.pass(SECOND * 600).serve(1_000, 0).settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Suspended, percent(5)));
    assert_eq!(hold.waiting, Some(Waiting::Resume));
    assert_eq!(story.serve(40, 40).settle().standing, Standing::Failed);
}

#[test]
fn a_release_that_takes_too_long_is_withdrawn() {
    let mut story = Story::new(Plan { progress_deadline: Some(SECOND * 60), ..plan() });
    story.settle();
    story.apply("v2", STARTING);
    let hold = story.settle();
    assert_eq!(hold.again_at, Some(story.world.seen.now.plus(SECOND * 60)));
    story.pass(SECOND * 59);
    assert_eq!(story.settle().standing, Standing::Progressing);
    story.pass(SECOND);
    assert_eq!(story.settle().standing, Standing::Failed);
    assert_eq!(story.reason(), Some("DeadlineExceeded"));
}

#[test]
fn a_promotion_that_its_proxies_do_not_follow_in_time_is_withdrawn_at_no_cost() {
    let plan = Plan { steps: vec![step(5)], progress_deadline: Some(SECOND * 60), ..plan() };
    let mut story = Story::on_trial(plan);
    story.pass(HOLD).serve(100, 0).turn();
    story.all_ack = false;
    story.world.seen.proxies = acked(1);
    story.pass(SECOND * 49);
    let hold = story.settle();
    assert_eq!(hold.standing, Standing::Promoting);
    assert_eq!(hold.again_at, Some(START.plus(SECOND * 60)));
    let hold = story.pass(SECOND).settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Failed, Weight::NONE));
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
    let rollback = story.rollout.rollback.clone().unwrap();
    assert_eq!(rollback.reason, Reason::PromotionStuck { stage: Stage::Joining });
}

#[test]
fn a_promotion_that_cannot_be_written_down_in_time_is_withdrawn_and_not_trusted() {
    let plan = Plan { steps: vec![step(5)], progress_deadline: Some(SECOND * 60), ..plan() };
    let mut story = Story::on_trial(plan);
    story.pass(HOLD).serve(100, 0).turn();
    story.turn();
    story.world.seen.recorded = false;
    assert!(story.settle().trust.revisions.contains(&revision("v2")));
    let hold = story.pass(SECOND * 50).settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Failed, Weight::NONE));
    assert_eq!(hold.trust.revisions, [revision("v1")].into());
}

#[test]
fn a_suspended_promotion_has_all_the_time_there_is() {
    let plan = Plan { steps: vec![step(5)], progress_deadline: Some(SECOND * 60), ..plan() };
    let mut story = Story::on_trial(plan);
    story.pass(HOLD).serve(100, 0).turn();
    story.world.seen.suspend = true;
    assert_eq!(story.settle().standing, Standing::Promoting);
    assert_eq!(story.pass(SECOND * 600).settle().standing, Standing::Promoting);
    story.world.seen.suspend = false;
    let hold = story.settle();
    assert_eq!(hold.gates, Gates::Only([revision("v1"), revision("v2")].into()));
}

#[test]
fn once_gates_are_opened_each_pod_more_has_the_deadline_and_then_the_release_is_halted() {
    let plan = Plan { steps: vec![step(5)], progress_deadline: Some(SECOND * 60), ..plan() };
    let mut story = Story::on_trial(plan);
    story.endure();
    for serving in 1..=3 {
        story.pods("v2", some(serving));
        story.pods("v1", some(REPLICAS - serving));
        assert_eq!(story.settle().standing, Standing::Promoting);
        assert_eq!(story.pass(SECOND * 59).settle().standing, Standing::Promoting);
    }
    let hold = story.pass(SECOND).settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Halted, percent(75)));
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
    assert_eq!(story.reason(), Some("DeadlineExceeded"));
}

#[test]
fn a_release_that_serves_alone_is_not_halted_for_an_old_pod_that_will_not_go() {
    let plan = Plan { steps: vec![step(5)], progress_deadline: Some(SECOND * 60), ..plan() };
    let mut story = Story::on_trial(plan);
    story.endure();
    story.pods("v2", ALL);
    story.pods("v1", Pods { existing: 1, ..NONE });
    story.settle();
    assert_eq!(story.pass(SECOND * 600).settle().standing, Standing::Promoting);
    story.pods("v2", Pods { serving: REPLICAS - 1, ..ALL });
    assert_eq!(story.settle().standing, Standing::Promoting);
    story.pods("v2", ALL);
    story.pods("v1", NONE);
    assert_eq!(story.settle().standing, Standing::Completed);
}

#[test]
fn a_promotion_that_is_scaled_down_is_judged_by_the_pods_that_are_wanted_now() {
    let plan = Plan { steps: vec![step(5)], progress_deadline: Some(SECOND * 60), ..plan() };
    let mut story = Story::on_trial(plan);
    story.world.replicas = 20;
    story.endure();
    story.pods("v2", some(12));
    story.pods("v1", some(8));
    story.settle();
    story.world.replicas = 8;
    story.pods("v1", some(3));
    for serving in 5..8 {
        story.pods("v2", some(serving));
        story.settle();
        assert_eq!(story.pass(SECOND * 59).settle().standing, Standing::Promoting);
    }
    assert_eq!(story.pass(SECOND).settle().standing, Standing::Halted);
}

#[test]
fn an_abort_withdraws_and_the_next_release_is_not_tried_while_it_is_set() {
    let mut story = Story::on_trial(plan());
    story.world.seen.abort = true;
    let hold = story.settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Aborted, Weight::NONE));
    story.apply("v3", GATED);
    assert_eq!(story.settle().standing, Standing::Aborted);
    story.world.seen.abort = false;
    assert_eq!(story.settle().standing, Standing::Aborted);
    story.apply("v4", GATED);
    assert_eq!(story.settle().standing, Standing::Progressing);
}

#[test]
fn a_breach_after_the_first_gate_halts_and_leaves_what_the_others_cannot_carry() {
    let mut story = Story::on_trial(Plan { steps: vec![step(5)], ..plan() });
    story.endure();
    story.pods("v2", some(1));
    story.pods("v1", some(3));
    let hold = story.serve(400, 300).settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Halted, percent(25)));
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
    assert_eq!(hold.trust.revisions, [revision("v1")].into());
    let told = story.rollout.rollback.clone().unwrap();
    assert!(matches!(told.reason, Reason::Breach(breach) if breach.rule == Rule::Ratio));
    story.world.wanted = "v1";
    assert_eq!(story.settle().standing, Standing::Reverting);
    story.pods("v1", ALL);
    assert_eq!(story.settle().desired, Weight::NONE);
    story.pods("v2", NONE);
    assert_eq!(story.settle().standing, Standing::Idle);
    assert!(story.rollout.rollback.unwrap().zero_at.is_some());
}

#[test]
fn a_halt_names_what_to_undo() {
    let mut story = Story::on_trial(Plan { steps: vec![step(5)], ..plan() });
    story.endure();
    story.pods("v2", Pods { crashes: 1, ..some(1) });
    let told = story.turn().transition.unwrap();
    assert_eq!(told.event, Event::ReleaseHalted);
    assert!(told.sentence.ends_with("undo the change of the template (back to v1)"), "{told:?}");
}

#[test]
fn a_trouble_that_all_pods_have_does_not_halt_a_promotion() {
    let mut story = Story::on_trial(Plan { steps: vec![step(5)], ..plan() });
    story.endure();
    story.pods("v2", some(1));
    let (canary, base) = story.world.totals.unwrap();
    let failing = counts(base.attempts + 300, 150);
    story.world.totals = Some((counts(canary.attempts + 100, 50), failing));
    assert_eq!(story.settle().standing, Standing::Promoting);
}

#[test]
fn pods_that_came_without_a_gate_are_not_starved() {
    // The webhook was away and no policy stood in: three of four pods are of the release.
    let mut story = Story::on_trial(plan());
    story.serve(40, 40);
    story.pods("v2", some(3));
    story.pods("v1", some(1));
    let hold = story.settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Halted, percent(75)));
}

#[test]
fn made_in_the_middle_of_an_update_the_oldest_revision_that_serves_is_trusted() {
    let mut story = Story::new(plan());
    story.world.pods = vec![("v0", STARTING), ("v1", some(3)), ("v2", some(1))];
    story.world.wanted = "v2";
    let hold = story.settle();
    assert_eq!(hold.trust.revisions, [revision("v1")].into());
    assert_eq!((hold.standing, hold.desired), (Standing::Progressing, percent(25)));
}

#[test]
fn before_any_pod_serves_no_gate_is_held() {
    let mut story = Story::new(plan());
    story.world.pods = vec![("v1", DARK)];
    let hold = story.settle();
    assert_eq!((hold.gates, hold.waiting), (Gates::All, Some(Waiting::StablePod)));
    assert!(hold.trust.revisions.is_empty());
}

#[test]
fn scaling_to_nothing_and_back_is_never_held_up() {
    let mut story = Story::on_trial(plan());
    story.world.replicas = 0;
    story.world.pods = vec![];
    story.settle();
    story.world.replicas = REPLICAS;
    story.world.pods = vec![("v2", Pods { existing: 4, healthy: 4, gated: 4, wanted: 4, ..NONE })];
    let hold = story.settle();
    let opens = |gates: &Gates| match gates {
        Gates::All => true,
        Gates::Only(open) => open.contains(&revision("v2")),
    };
    assert!(opens(&hold.gates), "{hold:?}");
    story.world.pods = vec![("v2", ALL)];
    assert_eq!(story.settle().standing, Standing::Completed);
}

#[test]
fn a_strategy_that_takes_the_last_stable_pod_away_opens_the_gates_at_once() {
    // One replica, maxSurge 0, maxUnavailable 1.
    let mut story = Story::new(plan());
    story.world.replicas = 1;
    story.world.pods = vec![("v1", some(1))];
    story.settle();
    // It is being deleted.
    story.pods("v1", Pods { existing: 1, ..NONE });
    story.apply("v2", STARTING);
    let hold = story.turn();
    assert_eq!(hold.transition.clone().unwrap().event, Event::GuardOpened);
    assert_eq!(hold.gates, Gates::All);
    assert_eq!(
        hold.decided.split.unwrap().share,
        Share::Joined,
        "mesh traffic needs them as much as any other"
    );
}

#[test]
fn stable_pods_that_are_wanted_get_a_moment_before_the_gates_open() {
    let mut story = Story::on_trial(plan());
    story.pods("v1", DARK);
    assert_eq!(story.settle().standing, Standing::Progressing);
    story.pass(DARK_TIME - SECOND);
    assert_eq!(story.settle().standing, Standing::Progressing);
    story.pods("v1", ALL);
    story.settle();
    story.pods("v1", DARK);
    story.settle();
    story.pass(DARK_TIME);
    let hold = story.settle();
    assert_eq!(hold.standing, Standing::Promoting);
    assert!(story.events.contains(&Event::GuardOpened));
}

#[test]
fn a_withdrawn_release_is_let_in_if_nobody_else_can_ever_serve() {
    let mut story = Story::on_trial(plan());
    story.serve(40, 40).settle();
    story.pods("v1", NONE);
    let hold = story.settle();
    assert_eq!((hold.standing, hold.gates), (Standing::Halted, Gates::All));
    assert_eq!(hold.desired, Weight::ALL);
}

#[test]
fn a_halted_release_that_serves_alone_is_what_the_next_template_is_tried_against() {
    let mut story = Story::on_trial(plan());
    story.serve(40, 40).settle();
    story.world.pods = vec![("v2", ALL)];
    let hold = story.settle();
    assert_eq!((hold.standing, hold.gates), (Standing::Halted, Gates::All));
    assert_eq!(hold.trust.revisions, ["v1", "v2"].map(revision).into());
    story.apply("v3", GATED);
    let hold = story.settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Progressing, percent(5)));
    assert_eq!(hold.gates, Gates::Only([revision("v2")].into()));
}

#[test]
fn the_way_back_from_a_halted_release_is_no_trial_though_nothing_good_is_left() {
    let mut story = Story::on_trial(plan());
    story.serve(40, 40).settle();
    story.world.pods = vec![("v2", ALL)];
    story.settle();
    story.apply("v1", Pods { wanted: 1, ..NONE });
    let hold = story.settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Reverting, Weight::ALL));
    assert_eq!(hold.trust.revisions, [revision("v1")].into());
    story.world.pods = vec![("v1", ALL)];
    assert_eq!(story.settle().standing, Standing::Idle);
}

#[test]
fn where_a_halted_release_does_not_serve_either_nobody_is_kept_out() {
    let mut story = Story::on_trial(plan());
    story.serve(40, 40).settle();
    story.world.pods = vec![("v2", ALL)];
    story.settle();
    story.world.pods = vec![("v2", DARK)];
    let hold = story.settle();
    assert_eq!((hold.standing, hold.gates), (Standing::Halted, Gates::All));
    assert!(hold.trust.revisions.is_empty());
}

#[test]
fn what_is_known_to_be_bad_waits_longer_for_stable_pods_that_restart() {
    let mut story = Story::on_trial(plan());
    story.serve(40, 40).settle();
    story.pods("v1", DARK);
    story.settle();
    let hold = story.pass(DARK_WITHDRAWN - SECOND).settle();
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
    assert_eq!(hold.again_at, Some(story.world.seen.now.plus(SECOND)));
    let hold = story.pass(SECOND).settle();
    assert_eq!((hold.standing, hold.gates), (Standing::Halted, Gates::All));
}

#[test]
fn a_workload_made_anew_owes_nothing_to_the_one_before() {
    let mut story = Story::on_trial(plan());
    let mut anew = story.world.workload();
    anew.owner = Owner("uid-b".into());
    anew.revisions = [(revision("v2"), Pods { existing: 4, gated: 4, wanted: 4, ..NONE })].into();
    story.world.seen.target = Target::Present(anew);
    let hold = story.turn();
    assert_eq!(hold.transition.unwrap().event, Event::TargetReplaced);
    assert_eq!((hold.gates, hold.standing), (Gates::All, Standing::Idle));
    assert_eq!(hold.trust.owner, Some(Owner("uid-b".into())));
    assert!(hold.trust.revisions.is_empty());
}

#[test]
fn a_workload_that_is_gone_is_not_held() {
    let story = Story::on_trial(plan());
    let number = story.rollout.decided.number;
    let mut seen = story.world.see("v2");
    seen.target = Target::Missing;
    let (rollout, hold) = story.rollout.next(&story.plan, &seen);
    assert_eq!((hold.gates, &hold.decided.split), (Gates::All, &None));
    assert!(hold.decided.number > number);
    assert!(hold.transition.is_some());
    assert_eq!(rollout.history[0].outcome, Outcome::Lost);
    let (_, again) = rollout.next(&story.plan, &seen);
    assert_eq!((again.transition, again.decided), (None, hold.decided));
}

#[test]
fn nothing_is_held_for_a_service_that_is_shared_while_nobody_is_kept_out() {
    let mut story = Story::new(plan());
    story.settle();
    story.share();
    let hold = story.settle();
    assert_eq!((&hold.gates, hold.trust.revisions.len()), (&Gates::All, 0));
    assert_eq!(hold.waiting.unwrap().label(), "SharedService");
    assert_eq!(story.events.last(), Some(&Event::TargetUnfit));
}

#[test]
fn a_service_that_becomes_shared_keeps_a_release_where_it_is() {
    let mut story = Story::on_trial(plan());
    story.share();
    let hold = story.endure();
    assert_eq!((hold.step, hold.desired), (Some((0, 2)), percent(5)));
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
    let told = hold.waiting.unwrap();
    assert!(told.sentence().starts_with("service cart also leads"), "{told:?}");
    story.pods("v2", STARTING);
    assert_eq!(story.settle().desired, Weight::NONE);
    story.pods("v2", GATED);
    assert_eq!(story.settle().desired, Weight::NONE);
    story.world.seen.shared = None;
    assert_eq!(story.settle().desired, percent(5));
    assert_eq!(story.endure().step, Some((1, 2)));
    story.share();
    assert_eq!(story.serve(40, 40).settle().standing, Standing::Failed);
}

#[test]
fn the_time_that_a_shared_service_holds_a_release_does_not_count_against_its_deadline() {
    let mut story = Story::on_trial(Plan { progress_deadline: Some(SECOND * 60), ..plan() });
    story.share();
    story.settle();
    assert_eq!(story.pass(SECOND * 600).settle().standing, Standing::Progressing);
    story.world.seen.shared = None;
    assert_eq!(story.settle().standing, Standing::Progressing);
    assert_eq!(story.pass(SECOND * 59).settle().standing, Standing::Progressing);
    assert_eq!(story.pass(SECOND).settle().standing, Standing::Failed);
}

#[test]
fn a_service_that_becomes_shared_lets_no_release_in_that_was_withdrawn_or_is_leaving() {
    let mut story = Story::on_trial(plan());
    story.serve(40, 40).settle();
    story.share();
    let hold = story.settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Failed, Weight::NONE));
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
    story.world.wanted = "v1";
    let hold = story.settle();
    assert_eq!(hold.standing, Standing::Reverting);
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
    story.pods("v2", NONE);
    assert_eq!(story.settle().waiting.unwrap().label(), "SharedService");
}

#[test]
fn a_template_that_comes_with_a_shared_service_is_held_at_nothing() {
    let mut story = Story::new(plan());
    story.settle();
    story.apply("v2", GATED);
    story.share();
    let hold = story.settle();
    assert_eq!((hold.standing, hold.desired), (Standing::Progressing, Weight::NONE));
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
}

#[test]
fn a_passed_release_waits_before_its_gates_while_a_service_is_shared() {
    let mut story = Story::on_trial(Plan { steps: vec![step(5)], ..plan() });
    story.pass(HOLD).serve(100, 0).turn();
    story.share();
    let hold = story.settle();
    assert_eq!(hold.standing, Standing::Promoting);
    assert_eq!(hold.waiting.unwrap().label(), "SharedService");
    assert_eq!(hold.gates, Gates::Only([revision("v1")].into()));
}

#[test]
fn a_second_rollout_of_a_target_opens_none_of_the_gates_that_the_first_one_holds() {
    let story = Story::on_trial(plan());
    let mut seen = story.world.see("v2");
    seen.target = Target::Unfit(Unfit::SharedTarget);
    let (_, hold) = Rollout::default().next(&story.plan, &seen);
    assert_eq!(hold.gates, Gates::Only(BTreeSet::new()));
    assert_eq!(hold.decided.split, None);
}

#[test]
fn a_strategy_that_stops_all_old_pods_first_is_not_held() {
    let mut story = Story::on_trial(plan());
    let mut recreate = story.world.workload();
    recreate.strategy = Strategy::Recreate;
    story.world.seen.target = Target::Present(recreate);
    let hold = story.turn();
    assert_eq!(hold.gates, Gates::All);
    assert_eq!(hold.waiting, Some(Waiting::FitTarget(Unfit::Recreate)));
}

#[test]
fn a_restart_goes_through_without_steps_unless_asked_otherwise() {
    for (restarts_are_releases, standing) in
        [(false, Standing::Promoting), (true, Standing::Progressing)]
    {
        let mut story = Story::new(Plan { restarts_are_releases, ..plan() });
        story.settle();
        story.apply("v2", GATED);
        let mut restarted = story.world.workload();
        restarted.restart_only = true;
        story.world.seen.target = Target::Present(restarted);
        assert_eq!(story.settle().standing, standing);
    }
}

#[test]
fn skipping_the_analysis_promotes_in_the_same_order() {
    let mut story = Story::on_trial(plan());
    story.plan.skip_analysis = true;
    story.settle();
    let order = [Event::ReleasePassed, Event::ReleaseTrusted, Event::GatesOpening];
    assert_eq!(story.events[3..], order);
}

#[test]
fn after_a_restart_the_weight_stays_until_all_is_known() {
    let mut story = Story::on_trial(plan());
    let record = crate::rollout::Persisted::from(&story.rollout);
    story.rollout = Rollout::try_from(record).unwrap();
    story.all_ack = false;
    (story.world.seen.proxies, story.world.totals) = (None, None);
    let hold = story.pass(SECOND * 600).settle();
    assert_eq!((hold.desired, hold.waiting), (percent(5), Some(Waiting::Control)));
    // The counts of an operator that starts again begin at nothing.
    story.world.totals = Some((counts(0, 0), counts(0, 0)));
    story.all_ack = true;
    assert_eq!(story.settle().desired, percent(5));
    story.world.totals = Some((counts(100, 0), counts(900, 0)));
    assert_eq!(story.settle().step, Some((1, 2)));
}

#[test]
fn a_decision_that_was_never_recorded_is_replaced_by_one_that_gives_nothing() {
    let mut story = Story::on_trial(plan());
    let lost = story.rollout.decided.number + 3;
    story.world.seen.heard = lost;
    let hold = story.turn();
    assert_eq!(hold.transition.unwrap().event, Event::DecisionOvertaken);
    assert!(hold.decided.number > lost);
    assert_eq!(hold.desired, Weight::NONE);
    assert_eq!(story.settle().desired, percent(5));
}

#[test]
fn numbers_start_from_the_clock_so_that_a_rollout_made_anew_counts_on() {
    let story = Story::on_trial(plan());
    assert!(story.rollout.decided.number >= START.as_millis());
}

#[test]
fn a_plan_without_steps_promotes_when_a_pod_is_ready() {
    let mut story = Story::new(Plan { steps: vec![], ..plan() });
    story.settle();
    story.apply("v2", STARTING);
    assert_eq!(story.settle().standing, Standing::Progressing);
    story.pods("v2", GATED);
    assert_eq!(story.settle().standing, Standing::Promoting);
}

#[test]
fn history_is_bounded_and_newest_first() {
    let mut story = Story::new(plan());
    story.settle();
    for wanted in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
        story.apply(wanted, STARTING);
        story.settle();
    }
    assert_eq!(story.rollout.history.len(), Rollout::REMEMBERED);
    assert_eq!(story.rollout.history[0].revision, revision("k"));
}

#[test]
fn what_is_counted_is_shown_per_step() {
    let mut story = Story::on_trial(plan());
    let hold = story.serve(30, 0).turn();
    let Some(Checks { verdict, canary, base }) = hold.checks else { panic!("none") };
    assert_eq!((canary.attempts, base.attempts), (30, 270));
    assert_eq!(verdict, Verdict::Pass);
    story.endure();
    assert_eq!(story.turn().checks.unwrap().canary.attempts, 0);
    assert_eq!(story.world.seen.now.since(Moment::ZERO), START.plus(HOLD).since(Moment::ZERO));
}
