//! Releases in numbers: the whole machine, turned four times a second, over requests that fail by
//! chance.

use std::time::Duration;

use super::world::{GATED, World, acked, counts, plan, step};
use crate::{
    chance::Chance,
    rollout::{Hold, Phase, Plan, Pods, Rollout, Standing, Step},
    rows::Counts,
};

/// How often proxies report while a release is under way.
const REPORT: Duration = Duration::from_millis(250);
/// Longer than any of these releases takes.
const LIMIT: u32 = 4 * 600;

/// A service with a release: requests per report, and failures in parts per hundred thousand.
#[derive(Clone, Copy)]
struct Service {
    requests: u64,
    canary: u64,
    base: u64,
}

/// How it ended, and what the canary had been given until then.
struct End {
    standing: Standing,
    counted: Counts,
}

impl Service {
    fn release(self, run: u64) -> End {
        let (mut rollout, mut world, mut chance) =
            (Rollout::default(), World::new(), Chance::of(run));
        let plan = Plan {
            steps: [5, 20, 50].map(|weight| Step { hold: REPORT * 120, ..step(weight) }).into(),
            ..plan()
        };
        (rollout, _) = settle(rollout, &plan, &mut world);
        world.wanted = "v2";
        world.pods.push(("v2", Pods { existing: 4, healthy: 4, gated: 4, ..GATED }));
        let (mut canary, mut base) = (counts(0, 0), counts(0, 0));
        for _ in 0..LIMIT {
            let share = u64::from(rollout.observed.basis_points()) * self.requests;
            // Rounded by turns, so that a small share is met on average.
            let on_canary = share / 10_000 + u64::from(chance.under(share % 10_000, 10_000));
            chance.attempts(self.canary, on_canary, &mut canary);
            chance.attempts(self.base, self.requests - on_canary, &mut base);
            world.totals = Some((canary, base));
            world.seen.now = world.seen.now.plus(REPORT);
            let hold;
            (rollout, hold) = settle(rollout, &plan, &mut world);
            if !matches!(rollout.phase, Phase::Idle | Phase::Progressing { .. }) {
                return End { standing: hold.standing, counted: canary };
            }
        }
        panic!("it never ends: {:?}", rollout.phase);
    }

    fn releases(self, runs: u64) -> Vec<End> {
        (0..runs).map(|run| self.release(run)).collect()
    }
}

/// Turns until nothing happens, while all proxies follow at once.
fn settle(mut rollout: Rollout, plan: &Plan, world: &mut World) -> (Rollout, Hold) {
    loop {
        world.seen.proxies = acked(rollout.decided.number);
        let (next, hold) = rollout.next(plan, &world.see("v2"));
        rollout = next;
        if hold.transition.is_none() {
            return (rollout, hold);
        }
    }
}

fn passed(end: &End) -> bool {
    end.standing == Standing::Promoting
}

#[test]
fn of_a_hundred_good_releases_at_most_one_is_withdrawn() {
    for failing in [0, 100, 500] {
        let service = Service { requests: 50, canary: failing, base: failing };
        let ends = service.releases(200);
        let good = ends.iter().filter(|end| passed(end)).count();
        assert!(good >= 198, "{good} of 200, failing {failing} of 100000");
    }
}

#[test]
fn five_per_cent_are_out_within_200_canary_requests_in_95_of_100_releases() {
    let service = Service { requests: 50, canary: 5_000, base: 100 };
    let ends = service.releases(400);
    let early = |end: &&End| end.standing == Standing::Failed && end.counted.attempts <= 200;
    let found = ends.iter().filter(early).count();
    assert!(found >= 380, "{found} of 400");
}

#[test]
fn a_release_that_always_fails_is_out_with_its_first_reports() {
    let service = Service { requests: 100, canary: 100_000, base: 100 };
    for end in service.releases(100) {
        assert_eq!(end.standing, Standing::Failed);
        // Five requests a report: two tell, and the report that brings them may bring more.
        assert!(end.counted.attempts <= 10, "{:?}", end.counted);
    }
}
