//! Whether a release does well: a typed verdict on what its callers counted, safe to ask for at any
//! moment.
//!
//! # The test
//!
//! One question is asked of *hits* among *trials*: can each trial have been a hit with a
//! probability of at most `base`? The evidence against it is a mean of likelihood ratios,
//!
//! ```text
//! E = mean over ω of  ω^hits / (1 + (ω - 1)·base)^trials ,      ω in 2, 4, 10, 30, 100, 1000
//! ```
//!
//! Each term bets that the odds of a hit are ω times those of `base`: it multiplies by `ω/(1 +
//! (ω-1)·base)` on a hit and by `1/(1 + (ω-1)·base)` otherwise, which is 1 on average if hits have
//! probability `base`, and less if they are rarer. So `E` is a non-negative supermartingale that
//! starts at 1, and the chance that it **ever** reaches `1/α` is at most α (Ville's inequality). It
//! may therefore be looked at after every report, with no plan of how many looks there will be.
//! This is Wald's sequential probability ratio test (A. Wald, *Sequential Tests of Statistical
//! Hypotheses*, 1945) with a mixture over alternatives (H. Robbins, *Statistical Methods Related to
//! the Law of the Iterated Logarithm*, 1970); A. Ramdas and others, *Game-Theoretic Statistics and
//! Safe Anytime-Valid Inference*, 2023, is the present account of why this is sound.
//!
//! It is asked twice, each time with half of α = 1 %:
//!
//! 1. **Ratio**: trials are the canary's attempts, hits its failures, `base` is `maxErrorRatio`.
//! 2. **Comparison**: trials are all *failures*, hits those of the canary, `base` is the canary's
//!    share of traffic. If the canary is no worse, the split alone decides whose request it is that
//!    fails, whatever the ratio of failures is and however it moves: a database that both need and
//!    that goes away is no evidence. ω is then the ratio of the two failure probabilities. The
//!    share is the greater of what was decided and what was counted, since `E` falls with it. Real
//!    ratios below about 1.4 never gather evidence: that is the tolerance. (The safe logrank test
//!    bets in the same way on which group the next event falls in: J. ter Schure and others, *The
//!    Safe Logrank Test*, 2020.)
//!
//! A canary that breaks the first rule while the others seem to break it too is not withdrawn for
//! it, if they are compared: only the second rule tells them apart then.
//!
//! A long good time would outweigh a bad minute, and shares change from step to step. So evidence
//! is gathered in *segments* (`rollout::meter`), and the `n`-th gets `α/(n·(n+1))`, which sums to α
//! over any number of them.
//!
//! # How fast it is
//!
//! 5 % of failures against 0.1 %, in a first segment and with 1 % allowed: found within 200
//! requests of the canary in 99, 98, 91, 80 and 60 of 100 cases at weights of 5, 10, 20, 33 and 50
//! %, and in 95 of 100 within 160, 190, 230, 280 and 350 requests. The fewer requests the others
//! have in the same time, the less is known of them. A release that always fails is found by its
//! second or third request.

use serde::{Deserialize, Serialize};

use crate::{
    rows::{Counts, exact},
    weight::Weight,
};

/// What a good release is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slo {
    /// The part of attempts that may fail, from 0 to 1. At 0 one failure is too much, at 1 none is.
    pub max_error_ratio: f64,
    /// Whether the canary is also compared with the base, in the same time.
    pub compare: bool,
    /// How many attempts on the canary may fail in one release, whatever the ratio; no bound if
    /// absent.
    pub max_failed_requests: Option<u64>,
    /// How many attempts a segment must have before its release may pass.
    pub min_requests: u64,
}

/// What was counted, and under which decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// The canary's attempts in this segment.
    pub canary: Counts,
    /// Everybody else's in the same time.
    pub base: Counts,
    /// What was decided for the canary throughout the segment.
    pub share: Weight,
    /// Which segment of this release it is, counted from 1.
    pub segment: u32,
    /// The canary's failures since the release first had traffic.
    pub failed: u64,
}

/// How a release does.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Enough was counted, and nothing speaks against it.
    Pass,
    /// It fails too much; the evidence is as strong as α demands.
    Breach(Breach),
    /// Reports arrive and hold not one attempt on the canary.
    NoTraffic,
    /// No reports arrive.
    MetricUnavailable,
    /// Too few attempts, or more failures than there should be and yet no proof.
    Inconclusive,
}

/// What a release was found guilty of, with the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    /// The rule that was broken.
    pub rule: Rule,
    /// The canary's attempts in the segment.
    pub canary: Counts,
    /// Everybody else's in the same time.
    pub base: Counts,
    /// What the rule allows: a ratio for [`Rule::Ratio`], a number of requests for [`Rule::Cap`].
    pub allowed: f64,
    /// The canary's failures since the release first had traffic.
    pub failed: u64,
}

/// What a release can be found guilty of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Rule {
    /// More failures than `maxErrorRatio` allows.
    Ratio,
    /// More failures than the base has in the same time.
    Comparison,
    /// More failed requests than `maxFailedRequests` allows.
    Cap,
}

/// The chance that a release which is as good as asked for is ever found guilty by one of the two
/// tests.
const ALPHA: f64 = 0.01;

/// How many times likelier failures are under the alternatives that are bet on.
const ODDS: [f64; 6] = [2.0, 4.0, 10.0, 30.0, 100.0, 1000.0];

/// Evidence from which on a release does not pass, though it is not guilty yet.
const DOUBT: f64 = 10.0;

impl Verdict {
    /// Judges by the SLO. No counts at all mean that no reports arrive.
    #[must_use]
    pub fn of(slo: &Slo, sample: Option<&Sample>) -> Self {
        let Some(sample) = sample else { return Self::MetricUnavailable };
        if let Some(breach) = Breach::find(slo, sample) {
            return Self::Breach(breach);
        }
        match sample.canary.attempts {
            0 => Self::NoTraffic,
            few if few < slo.min_requests => Self::Inconclusive,
            _ if doubtful(slo, sample) => Self::Inconclusive,
            _ => Self::Pass,
        }
    }

    /// Its name in status and metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Breach(_) => "Breach",
            Self::NoTraffic => "NoTraffic",
            Self::MetricUnavailable => "MetricUnavailable",
            Self::Inconclusive => "Inconclusive",
        }
    }
}

impl Breach {
    fn find(slo: &Slo, sample: &Sample) -> Option<Self> {
        let found = |rule, allowed| Self {
            rule,
            canary: sample.canary,
            base: sample.base,
            allowed,
            failed: sample.failed,
        };
        if let Some(cap) = slo.max_failed_requests.filter(|cap| sample.failed > *cap) {
            return Some(found(Rule::Cap, exact(cap)));
        }
        let proof = proof_needed(sample.segment);
        if slo.compare && comparison_evidence(sample) >= proof {
            return Some(found(Rule::Comparison, sample.base.failure_ratio()));
        }
        if ratio_evidence(slo, &sample.canary) >= proof && !shared(slo, sample) {
            return Some(found(Rule::Ratio, slo.max_error_ratio));
        }
        None
    }

    /// The finding as a person reads it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let canary = share_of_requests(&self.canary);
        match self.rule {
            Rule::Ratio => format!("{canary} failed, {} are allowed", percent(self.allowed)),
            Rule::Comparison => {
                let base = share_of_requests(&self.base);
                format!("{canary} failed, of the other pods' {base} in the same time")
            }
            Rule::Cap => {
                format!("{} requests failed, {} are allowed in all", self.failed, self.allowed)
            }
        }
    }
}

impl Rule {
    /// Its name in status and events.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ratio => "ErrorRatio",
            Self::Comparison => "WorseThanStable",
            Self::Cap => "TooManyFailures",
        }
    }
}

/// ln E: how strongly the counts speak against hits having a probability of at most `base`.
fn evidence(hits: u64, trials: u64, base: f64) -> f64 {
    let (hits, trials) = (exact(hits), exact(trials));
    let bets = ODDS.map(|odds| hits * odds.ln() - trials * ((odds - 1.0) * base).ln_1p());
    let greatest = bets.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // The mean, taken relative to its greatest term, so that nothing overflows.
    let mean = bets.iter().map(|bet| (bet - greatest).exp()).sum::<f64>() / (ODDS.len() as f64);
    greatest + mean.ln()
}

fn ratio_evidence(slo: &Slo, counts: &Counts) -> f64 {
    if slo.max_error_ratio <= 0.0 {
        // What must never happen proves itself by happening once.
        return if counts.failures > 0 { f64::INFINITY } else { 0.0 };
    }
    evidence(counts.failures, counts.attempts, slo.max_error_ratio.min(1.0))
}

fn comparison_evidence(sample: &Sample) -> f64 {
    let counted = exact(sample.canary.attempts)
        / exact(sample.canary.attempts.saturating_add(sample.base.attempts).max(1));
    let decided = f64::from(sample.share.basis_points()) / f64::from(Weight::ALL.basis_points());
    let failures = sample.canary.failures.saturating_add(sample.base.failures);
    evidence(sample.canary.failures, failures, counted.max(decided))
}

/// Whether the base itself seems to fail more than the SLO allows, so that the canary, which is
/// compared with it, is not to blame for a trouble that both have.
fn shared(slo: &Slo, sample: &Sample) -> bool {
    slo.compare && ratio_evidence(slo, &sample.base) >= DOUBT.ln()
}

fn doubtful(slo: &Slo, sample: &Sample) -> bool {
    sample.canary.failure_ratio() > slo.max_error_ratio
        || (slo.compare && comparison_evidence(sample) >= DOUBT.ln())
}

/// ln 1/α for each of the two tests in the segment.
fn proof_needed(segment: u32) -> f64 {
    let n = f64::from(segment.max(1));
    (2.0 * n * (n + 1.0) / ALPHA).ln()
}

fn share_of_requests(counts: &Counts) -> String {
    let ratio = percent(counts.failure_ratio());
    format!("{} of {} requests ({ratio})", counts.failures, counts.attempts)
}

fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if percent == percent.round() { format!("{percent} %") } else { format!("{percent:.2} %") }
}

#[cfg(test)]
mod tests;
