//! Samples are applied by a test: what a user copies first is what breaks unseen.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::Finding;
use super::source::Source;

pub(super) fn check(root: &Path, sources: &[Source]) -> Result<Vec<Finding>> {
    let folder = Path::new("config/samples");
    let mut findings = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !sources.iter().any(|file| file.text.contains(&format!("samples/{name}"))) {
            let says = "no test and no program names this sample";
            findings.push(Finding::of(&folder.join(&*name), says));
        }
    }
    Ok(findings)
}
