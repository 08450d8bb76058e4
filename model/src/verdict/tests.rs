use super::{Breach, Rule, Sample, Slo, Verdict, evidence};
use crate::{chance::Chance, rows::Counts, weight::Weight};

/// A service under a rollout: failures in parts per hundred thousand.
#[derive(Clone, Copy)]
struct World {
    canary: u64,
    base: u64,
    weight: u8,
    slo: Slo,
}

const SLO: Slo =
    Slo { max_error_ratio: 0.01, compare: true, max_failed_requests: None, min_requests: 50 };
const BATCH: u64 = 10;

impl World {
    /// How many canary attempts it took to find the canary guilty, judging after every batch and
    /// renewing the segment after every 500 canary attempts.
    fn guilty_after(self, seed: u64, canary_attempts: u64) -> Option<u64> {
        let mut chance = Chance::of(seed);
        let share = Weight::from_percent(self.weight).unwrap();
        let mut sample = fresh(share, 1);
        let mut before = 0;
        while before + sample.canary.attempts < canary_attempts {
            for _ in 0..BATCH {
                chance.attempts(self.canary, 1, &mut sample.canary);
                let others = u64::from(100 - self.weight) / u64::from(self.weight);
                chance.attempts(self.base, others, &mut sample.base);
            }
            if let Verdict::Breach(_) = Verdict::of(&self.slo, Some(&sample)) {
                return Some(before + sample.canary.attempts);
            }
            if sample.canary.attempts >= 500 {
                before += sample.canary.attempts;
                sample = fresh(share, sample.segment + 1);
            }
        }
        None
    }

    /// How many of `runs` runs found the canary guilty.
    fn guilty(self, runs: u64, canary_attempts: u64) -> u64 {
        let found = |run: &u64| self.guilty_after(*run, canary_attempts).is_some();
        (0..runs).filter(found).count().try_into().unwrap()
    }
}

fn fresh(share: Weight, segment: u32) -> Sample {
    let none = Counts::default();
    Sample { canary: none, base: none, share, segment, failed: 0 }
}

fn counts(attempts: u64, failures: u64) -> Counts {
    Counts { attempts, failures, first_failure: None }
}

fn sample(canary: Counts, base: Counts) -> Sample {
    let failed = canary.failures;
    Sample { canary, base, share: Weight::from_percent(10).unwrap(), segment: 1, failed }
}

fn rule(slo: &Slo, sample: &Sample) -> Option<Rule> {
    match Verdict::of(slo, Some(sample)) {
        Verdict::Breach(Breach { rule, .. }) => Some(rule),
        _ => None,
    }
}

#[test]
fn a_release_that_is_as_good_as_the_others_is_withdrawn_in_at_most_one_run_of_a_hundred() {
    for weight in [2, 5, 20, 50] {
        for failing in [0, 100, 900, 1_000] {
            let world = World { canary: failing, base: failing, weight, slo: SLO };
            let attempts = if weight < 10 { 600 } else { 2_000 };
            let guilty = world.guilty(500, attempts);
            assert!(guilty <= 5, "{guilty} of 500 at {weight} %, failing {failing} of 100000");
            assert!(failing > 0 || guilty == 0);
        }
    }
}

#[test]
fn a_trouble_that_both_have_is_not_held_against_the_canary() {
    for failing in [5_000, 50_000, 100_000] {
        let world = World { canary: failing, base: failing, weight: 10, slo: SLO };
        assert!(world.guilty(300, 1_000) <= 3, "failing {failing} of 100000");
    }
}

#[test]
fn without_comparison_what_both_have_counts_all_the_same() {
    let slo = Slo { compare: false, ..SLO };
    let world = World { canary: 50_000, base: 50_000, weight: 10, slo };
    assert_eq!(world.guilty(100, 100), 100);
}

#[test]
fn five_per_cent_against_a_tenth_is_found_within_200_canary_requests_in_95_of_100_runs() {
    for weight in [2, 5, 10] {
        let world = World { canary: 5_000, base: 100, weight, slo: SLO };
        let found = world.guilty(1_000, 200);
        assert!(found >= 950, "{found} of 1000 at {weight} %");
    }
}

#[test]
fn at_larger_weights_the_others_say_less_and_it_takes_up_to_400_requests() {
    for weight in [20, 50] {
        let world = World { canary: 5_000, base: 100, weight, slo: SLO };
        let found = world.guilty(1_000, 400);
        assert!(found >= 950, "{found} of 1000 at {weight} %");
    }
}

#[test]
fn a_release_that_always_fails_is_found_after_a_few_requests() {
    for (ratio, within) in [(0.001, 2), (0.01, 2), (0.05, 3), (0.1, 4)] {
        let slo = Slo { max_error_ratio: ratio, ..SLO };
        let bad = |n| rule(&slo, &sample(counts(n, n), counts(20, 0))).is_some();
        let needed = (1..).find(|n| bad(*n)).unwrap();
        assert!(needed <= within, "{needed} requests at {ratio}");
    }
}

#[test]
fn a_release_that_goes_bad_late_is_still_found_after_a_few_requests() {
    let bad = |n| {
        let late = Sample { segment: 100, ..sample(counts(500 + n, n), counts(4_500, 4)) };
        rule(&SLO, &late).is_some()
    };
    assert!((1..).find(|n| bad(*n)).unwrap() <= 15);
    let fresh = |n| {
        let late = Sample { segment: 1_000, ..sample(counts(n, n), counts(9 * n, 0)) };
        rule(&SLO, &late).is_some()
    };
    assert!((1..).find(|n| fresh(*n)).unwrap() <= 6);
}

#[test]
fn the_comparison_finds_what_the_ratio_allows() {
    let slo = Slo { max_error_ratio: 0.5, ..SLO };
    let found = rule(&slo, &sample(counts(200, 20), counts(1_800, 2)));
    assert_eq!(found, Some(Rule::Comparison));
    assert_eq!(rule(&Slo { compare: false, ..slo }, &sample(counts(200, 20), counts(1, 0))), None);
}

#[test]
fn the_cap_counts_the_whole_release_whatever_the_ratio() {
    let slo = Slo { max_failed_requests: Some(5), ..SLO };
    let of = |failed| Sample { failed, ..sample(counts(100_000, 1), counts(900_000, 9)) };
    assert_eq!(rule(&slo, &of(5)), None);
    assert_eq!(rule(&slo, &of(6)), Some(Rule::Cap));
}

#[test]
fn a_ratio_of_nothing_allows_no_failure_and_of_one_allows_all() {
    let none = Slo { max_error_ratio: 0.0, compare: false, ..SLO };
    assert_eq!(rule(&none, &sample(counts(1_000, 1), counts(0, 0))), Some(Rule::Ratio));
    let all = Slo { max_error_ratio: 1.0, compare: false, ..SLO };
    assert_eq!(rule(&all, &sample(counts(1_000, 1_000), counts(0, 0))), None);
}

#[test]
fn silence_and_idleness_are_no_failures() {
    assert_eq!(Verdict::of(&SLO, None), Verdict::MetricUnavailable);
    let idle = sample(counts(0, 0), counts(1_000, 0));
    assert_eq!(Verdict::of(&SLO, Some(&idle)), Verdict::NoTraffic);
}

#[test]
fn few_requests_pass_nothing_and_neither_do_doubtful_ones() {
    let verdict = |attempts, failures| {
        Verdict::of(&SLO, Some(&sample(counts(attempts, failures), counts(9 * attempts, 0))))
    };
    assert_eq!(verdict(49, 0), Verdict::Inconclusive);
    assert_eq!(verdict(50, 0), Verdict::Pass);
    assert_eq!(verdict(50, 1), Verdict::Inconclusive);
    assert_eq!(verdict(200, 1), Verdict::Pass);
    assert_eq!(verdict(200, 3), Verdict::Inconclusive);
}

#[test]
fn a_sentence_names_the_numbers() {
    let verdict = Verdict::of(&SLO, Some(&sample(counts(40, 10), counts(0, 0))));
    let Verdict::Breach(breach) = verdict else { panic!("{verdict:?}") };
    assert_eq!(breach.sentence(), "10 of 40 requests (25 %) failed, 1 % are allowed");
}

#[test]
fn evidence_grows_with_hits_and_shrinks_with_trials_and_base() {
    assert_eq!(evidence(0, 0, 0.3), 0.0);
    assert!(evidence(3, 10, 0.1) > evidence(2, 10, 0.1));
    assert!(evidence(3, 10, 0.1) > evidence(3, 11, 0.1));
    assert!(evidence(3, 10, 0.1) > evidence(3, 10, 0.2));
    assert!(evidence(1_000_000_000, 1_000_000_000, 0.001).is_finite());
}

/// A mean over all outcomes of a few trials: what Ville's inequality stands on.
#[test]
fn evidence_is_one_on_average_where_the_base_is_true() {
    for base in [0.01_f64, 0.2, 0.7] {
        let mean: f64 = (0..=6_u64)
            .map(|hits| {
                let ways = [1.0, 6.0, 15.0, 20.0, 15.0, 6.0, 1.0][usize::try_from(hits).unwrap()];
                let exponent = i32::try_from(hits).unwrap();
                let chance = ways * base.powi(exponent) * (1.0 - base).powi(6 - exponent);
                chance * evidence(hits, 6, base).exp()
            })
            .sum();
        assert!((mean - 1.0).abs() < 1e-9, "{mean} at {base}");
    }
}
