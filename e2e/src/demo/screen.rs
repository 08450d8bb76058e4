//! What the demo shows: on a terminal the last line of a table lives; elsewhere lines are only
//! added.

use std::io::{IsTerminal as _, Write as _};

use tokio::time::{Duration, Instant};

/// Where it is shown.
#[derive(Debug)]
pub(super) struct Screen {
    is_terminal: bool,
    start: Instant,
    /// What stage the last row of a table was of, and when it was printed.
    last: Option<(String, Instant)>,
}

#[expect(clippy::print_stdout, reason = "this is what is shown")]
impl Screen {
    pub(super) fn new() -> Self {
        Self { is_terminal: std::io::stdout().is_terminal(), start: Instant::now(), last: None }
    }

    /// Begins a part of the story.
    pub(super) fn chapter(&self, title: &str) {
        let seconds = self.start.elapsed().as_secs();
        println!("\n== {title}  ({}:{:02})", seconds / 60, seconds % 60);
    }

    pub(super) fn header(&mut self, header: &str) {
        self.last = None;
        println!("{header}");
    }

    /// Shows how things stand now. A terminal shows each; elsewhere a line is added for each stage,
    /// and while one lasts, every few seconds.
    pub(super) fn row(&mut self, row: &str, stage: &str) {
        let same = self.last.as_ref().filter(|(last, _)| last == stage);
        if self.is_terminal {
            let begin = match (&self.last, same) {
                (None, _) => "",
                (Some(_), None) => "\n",
                (Some(_), Some(_)) => "\r\x1b[K",
            };
            print!("{begin}{row}");
            // A terminal that is gone has nobody to be told about it.
            drop(std::io::stdout().flush());
        } else if same.is_some_and(|(_, at)| at.elapsed() < BETWEEN_ROWS) {
            return;
        } else {
            println!("{row}");
        }
        self.last = Some((stage.to_owned(), Instant::now()));
    }

    pub(super) fn end_of_table(&mut self) {
        if self.is_terminal && self.last.take().is_some() {
            println!();
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what is shown")]
pub(super) fn text(text: &str) {
    println!("{text}");
}

/// A command and what it printed.
pub(super) fn output(command: &str, printed: &str) {
    text(&format!("$ {command}\n{}", printed.trim_end()));
}

const BETWEEN_ROWS: Duration = Duration::from_secs(3);
