//! Measures what a plan asks for: every round starts every proxy of a scenario anew, one after the
//! other, so that what disturbs the machine disturbs all alike.

mod flow;
mod handshakes;
mod memory;

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::{
    figures::{self, Row},
    launch::{Child, ENDS, Place, Who},
    load::Outcome,
    plan::Plan,
    report::{self, Results, Section},
    scenario::{self, Kind, Scenario},
};

/// Measures, prints and writes the results.
///
/// # Errors
/// If anything went wrong in a measurement, which then is none.
pub fn run(plan: &Plan) -> Result<()> {
    let scenarios = scenario::named(&plan.scenarios)?;
    if plan.rounds == 0 || plan.seconds == 0 {
        bail!("a measurement needs at least one round of at least one second");
    }
    let place = Place::new(plan)?;
    let mut results = Results::begin(plan);
    for scenario in scenarios {
        report::say(&format!("measuring {}: {}", scenario.name, scenario.title));
        let section = section(&place, plan, scenario)
            .with_context(|| format!("failed to measure {}", scenario.name))?;
        report::say(&report::table::section(&section));
        results.sections.push(section);
    }
    let baseline = Results::read(&plan.baseline)?;
    report::say(&report::table::summary(&results, baseline.as_ref()));
    fs::create_dir_all(&plan.out)?;
    results.write(&plan.out.join("latest.json"))?;
    fs::write(plan.out.join("latest.svg"), report::plot::draw(&results))?;
    report::say(&format!("written to {}/latest.json and latest.svg", plan.out.display()));
    if plan.save_baseline {
        results.write(&plan.baseline)?;
        report::say(&format!("saved as {}", plan.baseline.display()));
    }
    Ok(())
}

fn section(place: &Place, plan: &Plan, scenario: &Scenario) -> Result<Section> {
    let takers: Vec<_> = scenario.takers.iter().copied().filter(|who| place.has(*who)).collect();
    warm_up(place, plan, scenario.kind, &takers)?;
    let mut rows = Rows::default();
    for round in 0..plan.rounds {
        match scenario.kind {
            Kind::Flow { .. } | Kind::Latency { .. } => {
                flow::round(place, plan, scenario.kind, &in_turn(&takers, round), &mut rows)?;
            }
            Kind::Handshakes => handshakes::round(place, plan, &mut rows)?,
            Kind::Memory => memory::round(place, &mut rows)?,
        }
    }
    let rows = rows.in_order(&takers);
    let verdicts = scenario.goals.iter().filter_map(|goal| figures::judge(goal, &rows)).collect();
    let (name, title) = (scenario.name.to_owned(), scenario.title.to_owned());
    Ok(Section { name, title, rows, verdicts })
}

/// Lets the last taker run once, which does not count. Whoever is first in a scenario finds the
/// machine as the one before has left it, and may pay for memory that all use after it.
fn warm_up(place: &Place, plan: &Plan, kind: Kind, takers: &[Who]) -> Result<()> {
    match (kind, takers.last()) {
        (Kind::Flow { .. } | Kind::Latency { .. }, Some(last)) => {
            flow::round(place, plan, kind, &[*last], &mut Rows::default())
        }
        (Kind::Flow { .. } | Kind::Latency { .. } | Kind::Handshakes | Kind::Memory, _) => Ok(()),
    }
}

/// Who comes first in a round comes last in the next.
fn in_turn(takers: &[Who], round: usize) -> Vec<Who> {
    let mut takers = takers.to_vec();
    let by = round.checked_rem(takers.len()).unwrap_or(0);
    takers.rotate_left(by);
    takers
}

/// What was measured so far.
#[derive(Debug, Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn add(&mut self, who: Who, figure: &str, unit: &str, value: f64) {
        let known = self.0.iter_mut().find(|row| row.who == who && row.figure == figure);
        match known {
            Some(row) => row.values.push(value),
            None => {
                let (figure, unit, values) = (figure.to_owned(), unit.to_owned(), vec![value]);
                self.0.push(Row { who, figure, unit, values });
            }
        }
    }

    fn in_order(mut self, takers: &[Who]) -> Vec<Row> {
        self.0.sort_by_key(|row| takers.iter().position(|who| *who == row.who));
        self.0
    }
}

/// Runs the load generator.
fn load(place: &Place, args: &[String]) -> Result<Outcome> {
    let mut all = vec!["load"];
    all.extend(args.iter().map(String::as_str));
    Child::start(ENDS, &place.program("bench"), &all)?.line().context("the load generator failed")
}

fn pids(pids: &[u32]) -> Vec<String> {
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    if pids.is_empty() { Vec::new() } else { vec!["--watch".to_owned(), pids.join(",")] }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below what a float holds exactly")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_first_once() {
        let all = [Who::Serin, Who::Haproxy];
        assert_eq!(in_turn(&all, 0), all);
        assert_eq!(in_turn(&all, 1), [Who::Haproxy, Who::Serin]);
        assert_eq!(in_turn(&all, 2), all);
        assert_eq!(in_turn(&[], 1), []);
    }
}
