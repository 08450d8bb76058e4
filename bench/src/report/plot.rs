//! Results as a picture: a panel for every figure of every scenario, a bar for every proxy, and a
//! line from the least to the most of its rounds.

use super::{Results, Section, table::number};
use crate::figures::{Row, Spread};

/// The picture, as SVG.
#[must_use]
pub fn draw(results: &Results) -> String {
    let mut body = String::new();
    let mut y = TOP;
    for section in &results.sections {
        for figure in figures(section) {
            let rows = section.rows.iter().filter(|row| row.figure == figure);
            y = panel(&mut body, y, section, &rows.collect::<Vec<_>>());
        }
    }
    let title = escape(&format!(
        "{} on {}, {} rounds of {} s",
        results.commit, results.machine, results.rounds, results.seconds
    ));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">{title}</text>\n{body}</svg>\n"
    )
}

/// The names of a section's figures, each once.
fn figures(section: &Section) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in &section.rows {
        if !names.contains(&row.figure.as_str()) {
            names.push(&row.figure);
        }
    }
    names
}

/// Draws one panel and says where the next begins.
fn panel(body: &mut String, top: f64, section: &Section, rows: &[&Row]) -> f64 {
    let unit = rows.first().map_or("", |row| &row.unit);
    let figure = rows.first().map_or("", |row| &row.figure);
    let title = escape(&format!("{}: {figure}, {unit}", section.title));
    put(body, format_args!("<text x=\"{MARGIN}\" y=\"{top}\" font-weight=\"bold\">{title}</text>"));
    let spreads: Vec<_> =
        rows.iter().filter_map(|row| Some((row, Spread::of(&row.values)?))).collect();
    let most = spreads.iter().map(|(_, spread)| spread.max).fold(f64::MIN_POSITIVE, f64::max);
    let scale = |value: f64| (value / most * BAR).max(0.0);
    let mut y = top + 8.0;
    for (row, Spread { median, min, max }) in spreads {
        let (name, fill) =
            (row.who.name(), if row.who.name().starts_with("serin") { OURS } else { OTHERS });
        let (width, middle, text) = (scale(median), y + 8.0, y + 12.0);
        let (from, to) = (LEFT + scale(min), LEFT + scale(max));
        put(body, format_args!("<text x=\"{MARGIN}\" y=\"{text}\">{}</text>", escape(name)));
        put(
            body,
            format_args!(
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"16\" fill=\"{fill}\"/>"
            ),
        );
        put(
            body,
            format_args!(
                "<line x1=\"{from:.1}\" y1=\"{middle}\" x2=\"{to:.1}\" y2=\"{middle}\" \
                 stroke=\"black\"/>"
            ),
        );
        let end = to.max(LEFT + width) + 6.0;
        put(body, format_args!("<text x=\"{end:.1}\" y=\"{text}\">{}</text>", number(median)));
        y += 20.0;
    }
    y + 28.0
}

fn put(body: &mut String, line: std::fmt::Arguments<'_>) {
    body.push_str(&format!("{line}\n"));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const WIDTH: f64 = 900.0;
const MARGIN: f64 = 16.0;
const TOP: f64 = 56.0;
const LEFT: f64 = 140.0;
const BAR: f64 = 660.0;
const OURS: &str = "#e0a800";
const OTHERS: &str = "#9db2bf";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Who;

    fn results() -> Results {
        let row = |who, values: &[f64]| Row {
            who,
            figure: "cpu/request".to_owned(),
            unit: "µs".to_owned(),
            values: values.to_vec(),
        };
        let rows = vec![row(Who::Serin, &[1.0, 2.0, 3.0]), row(Who::Haproxy, &[4.0])];
        let section = Section {
            name: "http1".to_owned(),
            title: "a < b".to_owned(),
            rows,
            verdicts: Vec::new(),
        };
        Results {
            commit: "abc".to_owned(),
            machine: "m".to_owned(),
            rounds: 3,
            seconds: 2,
            skipped: Vec::new(),
            sections: vec![section],
        }
    }

    #[test]
    fn there_is_a_bar_and_a_spread_for_every_proxy() {
        let svg = draw(&results());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("height=\"16\"").count(), 2);
        assert_eq!(svg.matches("<line ").count(), 2);
        // Half of the most is half of the width.
        assert!(svg.contains("width=\"330.0\""), "{svg}");
        assert!(svg.contains("a &lt; b"));
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let text = serde_json::to_string(&results()).unwrap();
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results());
    }
}
