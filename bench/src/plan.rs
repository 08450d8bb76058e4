//! What a run is asked for. `cargo xtask bench` writes it, because it knows where programs are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// What a run is asked for.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Names of scenarios; all if there is none.
    pub scenarios: Vec<String>,
    /// How often each proxy of a scenario is measured.
    pub rounds: usize,
    /// How long a measurement counts.
    pub seconds: u32,
    /// Where results are written.
    pub out: PathBuf,
    /// Results to compare with, if the file is there.
    pub baseline: PathBuf,
    /// Whether the results become the new baseline.
    pub save_baseline: bool,
    /// What was measured: the commit, and whether anything was not committed.
    pub commit: String,
    /// Programs of others.
    pub haproxy: Option<PathBuf>,
    /// Programs of others.
    pub nginx: Option<PathBuf>,
    /// Programs of others.
    pub envoy: Option<PathBuf>,
    /// Why any of those is missing, one sentence each.
    pub skipped: Vec<String>,
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// If the file holds none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).context("failed to read the plan")?;
        serde_json::from_str(&text).context("failed to read the plan")
    }
}
