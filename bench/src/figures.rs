//! Medians, spreads, ratios and whether goals are met. Pure.

use serde::{Deserialize, Serialize};

use crate::launch::Who;

/// What several rounds gave.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Spread {
    /// The one in the middle, or between the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// One figure of one proxy, a value a round.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Row {
    /// Whose.
    pub who: Who,
    /// What it is.
    pub figure: String,
    /// In what.
    pub unit: String,
    /// A value a round.
    pub values: Vec<f64>,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// Whose figure.
    pub who: Who,
    /// Which figure.
    pub figure: &'static str,
    /// Divided by whose in the same round; nobody's if it stands for itself.
    pub over: Option<Who>,
    /// What it has to be.
    pub bound: Bound,
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// Whether a goal is met.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Verdict {
    /// Whose figure.
    pub who: Who,
    /// Which figure.
    pub figure: String,
    /// Divided by whose.
    pub over: Option<Who>,
    /// In what, if it is no ratio.
    pub unit: String,
    /// What was to be reached.
    pub goal: Bound,
    /// A value a round.
    pub values: Vec<f64>,
    /// What they come to.
    pub spread: Spread,
    /// Whether the median is as it should be.
    pub met: bool,
}

impl Spread {
    /// The spread of some values; nothing if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self { median: f64::midpoint(lower, upper), min, max })
    }
}

impl Bound {
    /// Whether `value` is as it should be.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

/// Divides round by round: what disturbs a round disturbs both. A round in which noise hid what is
/// to be divided says nothing.
#[must_use]
pub fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    let rounds = ours.iter().zip(theirs).filter(|(ours, theirs)| **ours > 0.0 && **theirs > 0.0);
    rounds.map(|(ours, theirs)| ours / theirs).collect()
}

/// Whether `goal` is met by what was measured; nothing if that does not say.
#[must_use]
pub fn judge(goal: &Goal, rows: &[Row]) -> Option<Verdict> {
    let row = |who| rows.iter().find(|row| row.who == who && row.figure == goal.figure);
    let ours = row(goal.who)?;
    let (values, unit) = match goal.over {
        Some(other) => (ratios(&ours.values, &row(other)?.values), "×".to_owned()),
        None => (ours.values.clone(), ours.unit.clone()),
    };
    let spread = Spread::of(&values)?;
    let Goal { who, over, bound, .. } = *goal;
    let (figure, met) = (goal.figure.to_owned(), bound.holds(spread.median));
    Some(Verdict { who, figure, over, unit, goal: bound, values, spread, met })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(who: Who, values: &[f64]) -> Row {
        Row { who, figure: "cpu".to_owned(), unit: "µs".to_owned(), values: values.to_vec() }
    }

    #[test]
    fn the_median_of_an_even_number_of_rounds_lies_between_the_two_in_the_middle() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!(spread, Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_goal_is_judged_by_the_ratios_of_each_round_and_not_by_the_ratio_of_medians() {
        let rows = [row(Who::Serin, &[10.0, 30.0, 21.0]), row(Who::Haproxy, &[10.0, 20.0, 30.0])];
        let bound = Bound::AtMost(1.0);
        let goal = Goal { who: Who::Serin, figure: "cpu", over: Some(Who::Haproxy), bound };
        let verdict = judge(&goal, &rows).unwrap();
        assert_eq!(verdict.spread, Spread { median: 1.0, min: 0.7, max: 1.5 });
        assert!(verdict.met);
    }

    #[test]
    fn nothing_is_said_of_a_proxy_that_was_not_there() {
        let goal = Goal {
            who: Who::Serin,
            figure: "cpu",
            over: Some(Who::Envoy),
            bound: Bound::AtMost(1.0),
        };
        assert_eq!(judge(&goal, &[row(Who::Serin, &[1.0])]), None);
    }

    #[test]
    fn a_round_that_noise_has_drowned_says_nothing() {
        assert_eq!(ratios(&[2.0, -1.0, 3.0], &[1.0, 1.0, -2.0]), [2.0]);
    }

    #[test]
    fn a_figure_may_stand_for_itself() {
        let bound = Bound::AtLeast(2.0);
        let goal = Goal { who: Who::Serin, figure: "cpu", over: None, bound };
        let verdict = judge(&goal, &[row(Who::Serin, &[1.0])]).unwrap();
        assert!(!verdict.met);
        assert_eq!(verdict.unit, "µs");
    }
}
