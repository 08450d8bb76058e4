//! Results as text, in columns.

use super::{Results, Section};
use crate::{
    figures::{Bound, Spread, Verdict},
    launch::Who,
};

/// What one scenario found.
#[must_use]
pub fn section(section: &Section) -> String {
    let rows = section.rows.iter().filter_map(|row| {
        let spread = Spread::of(&row.values)?;
        Some(vec![
            row.who.name().to_owned(),
            row.figure.clone(),
            number(spread.median),
            format!("[{}–{}]", number(spread.min), number(spread.max)),
            row.unit.clone(),
        ])
    });
    columns(&rows.collect::<Vec<_>>())
}

/// All goals, whether they are met, and what they were before.
#[must_use]
pub fn summary(results: &Results, baseline: Option<&Results>) -> String {
    let mut rows = vec![
        ["scenario", "figure", "of", "over", "median", "spread", "goal", "", "baseline"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for section in &results.sections {
        for verdict in &section.verdicts {
            let before = baseline.and_then(|baseline| baseline.like(&section.name, verdict));
            rows.push(goal(&section.name, verdict, before));
        }
    }
    let Results { commit, machine, rounds, seconds, skipped, .. } = results;
    let mut text = format!("{commit}, {machine}, {rounds} rounds of {seconds} s\n");
    skipped.iter().for_each(|sentence| text.push_str(&format!("{sentence}\n")));
    text.push_str(&columns(&rows));
    text
}

fn goal(section: &str, verdict: &Verdict, before: Option<&Verdict>) -> Vec<String> {
    let Verdict { who, figure, over, unit, goal, spread, met, .. } = verdict;
    let (sign, bound) = match goal {
        Bound::AtMost(bound) => ("≤", bound),
        Bound::AtLeast(bound) => ("≥", bound),
    };
    vec![
        section.to_owned(),
        figure.clone(),
        who.name().to_owned(),
        over.map_or("", Who::name).to_owned(),
        format!("{} {unit}", number(spread.median)),
        format!("[{}–{}]", number(spread.min), number(spread.max)),
        format!("{sign} {}", number(*bound)),
        if *met { "met" } else { "not met" }.to_owned(),
        before.map_or_else(String::new, |before| number(before.spread.median)),
    ]
}

/// Three digits that say something, or all before the point.
#[must_use]
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 100.0 {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// Columns as wide as what is in them.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_say_something() {
        assert_eq!(number(1.2345), "1.23");
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(12_345.6), "12346");
        assert_eq!(number(0.38), "0.38");
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "µ".to_owned()]];
        assert_eq!(columns(&rows), "  a     b\n  long  µ\n");
    }
}
