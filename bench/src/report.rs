//! What a run found: kept as JSON, compared with an earlier run, shown to people.

pub mod plot;
pub mod table;

use std::{fs, io::ErrorKind, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{
    figures::{Row, Verdict},
    plan::Plan,
};

/// What a run found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Results {
    /// What was measured.
    pub commit: String,
    /// On what.
    pub machine: String,
    /// How often.
    pub rounds: usize,
    /// How long each time.
    pub seconds: u32,
    /// Who could not take part, and why.
    pub skipped: Vec<String>,
    /// A section a scenario.
    pub sections: Vec<Section>,
}

/// What was found of one scenario.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Section {
    /// The scenario's name.
    pub name: String,
    /// What it is.
    pub title: String,
    /// What was measured.
    pub rows: Vec<Row>,
    /// What it comes to.
    pub verdicts: Vec<Verdict>,
}

impl Results {
    /// Nothing yet.
    #[must_use]
    pub fn begin(plan: &Plan) -> Self {
        let Plan { commit, rounds, seconds, skipped, .. } = plan.clone();
        Self { commit, machine: machine(), rounds, seconds, skipped, sections: Vec::new() }
    }

    /// Earlier results; nothing if there is no such file.
    ///
    /// # Errors
    /// If the file holds something else.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("failed to read the baseline"),
        };
        let results = serde_json::from_str(&text);
        Ok(Some(results.with_context(|| format!("{} holds no results", path.display()))?))
    }

    /// Keeps them.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(path, text + "\n").with_context(|| format!("failed to write {}", path.display()))
    }

    /// The same goal in these results.
    #[must_use]
    pub fn like(&self, section: &str, verdict: &Verdict) -> Option<&Verdict> {
        let section = self.sections.iter().find(|known| known.name == section)?;
        section.verdicts.iter().find(|known| {
            known.who == verdict.who && known.figure == verdict.figure && known.over == verdict.over
        })
    }
}

/// The processor, as the kernel names it, and how many there are.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_owned());
    let model = text.lines().find(|line| line.starts_with("model name")).and_then(field);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} × {}", model.unwrap_or_else(|| "unknown processor".to_owned()))
}

/// Tells whoever waits.
#[expect(clippy::print_stdout, reason = "the user waits for it")]
pub fn say(text: &str) {
    println!("{text}");
}
