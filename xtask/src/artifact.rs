//! Programs and tests of ours, built in the dev profile as parts of the whole workspace.
//!
//! Cargo gives the crates of others the features that the packages it is asked for want of them.
//! Who asks for one package gets another tokio than who asks for two, and all that is made with it
//! once more: so all of them are named every time, and of these only what is wanted is built.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::check::cargo;
use crate::command;
use crate::workspace::Workspace;

/// A test or a program that has been built.
#[derive(Debug, Deserialize)]
pub(crate) struct Artifact {
    executable: Option<PathBuf>,
    target: Target,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

/// Builds an integration test, which brings what the tests of all crates want of others, and the
/// programs beside it.
pub(crate) fn build(workspace: &Workspace, test: &str, programs: &[&str]) -> Result<Vec<Artifact>> {
    let mut build = cargo(workspace);
    build.args(["build", "--workspace", "--test", test]);
    for program in programs {
        build.args(["--bin", program]);
    }
    let messages = command::read(build.args(["--message-format", "json-render-diagnostics"]))?;
    Ok(messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Where the test or program of this name is.
pub(crate) fn named(artifacts: &[Artifact], name: &str) -> Result<PathBuf> {
    let mut all = artifacts.iter().filter(|artifact| artifact.target.name == name);
    all.find_map(|artifact| artifact.executable.clone())
        .with_context(|| format!("cargo does not say where {name} is"))
}
