//! `tidy`: what the house style asks for and no compiler checks.
//!
//! Each check is a pure function from what was read to findings; this file reads and reports.

mod edge;
mod manifest;
mod sample;
mod shape;
mod source;
mod text;
mod tree;
mod wrap;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// Check what the house style asks for and no compiler checks.
///
/// Edges between crates, files that no `mod` names, length of files, headers, names, open promises,
/// wide comments, manifests, samples that no test applies. There is no list of exceptions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask tidy          say what is amiss, one line each
  cargo xtask tidy --fix    wrap comments that are too wide, then say what else is amiss
  cargo test -p xtask       does the same as a test")]
pub(crate) struct Args {
    /// Wrap comments that are too wide.
    #[arg(long)]
    fix: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.fix {
        fix(workspace)?;
    }
    check(workspace)
}

/// Prints what is amiss and fails if there is something.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let findings = findings(workspace)?;
    for finding in &findings {
        println!("  {finding}");
    }
    if findings.is_empty() { Ok(()) } else { bail!("tidy found {} things", findings.len()) }
}

/// Everything that is amiss in the workspace.
fn findings(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = edge::check(&workspace.packages);
    let mut sources = Vec::new();
    for package in &workspace.packages {
        let manifest = source::read(&workspace.root, &package.manifest_path)?;
        findings.extend(manifest::check(&manifest)?);
        let files = source::rust_files(&workspace.root, package.folder())?;
        findings.extend(tree::check(package.folder_in(&workspace.root), &files));
        sources.extend(files);
    }
    for file in sources.iter().filter(|file| !file.is_generated()) {
        findings.extend(shape::check(file));
        findings.extend(text::check(file));
        findings.extend(wrap::check(file));
    }
    findings.extend(sample::check(&workspace.root, &sources)?);
    findings.sort();
    Ok(findings)
}

fn fix(workspace: &Workspace) -> Result<()> {
    for package in &workspace.packages {
        for file in source::rust_files(&workspace.root, package.folder())? {
            let wrapped = wrap::wrap(&file.text);
            if !file.is_generated() && wrapped != file.text {
                println!("  wrap {}", file.path.display());
                fs::write(workspace.root.join(&file.path), wrapped)?;
            }
        }
    }
    Ok(())
}

/// Something that is amiss, and where.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Finding {
    /// In the checkout.
    path: PathBuf,
    /// Zero if it is about the whole file.
    line: usize,
    says: String,
}

impl Finding {
    fn of(path: &Path, says: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: 0, says: says.into() }
    }

    fn at(path: &Path, line: usize, says: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, says: says.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, line, says } = self;
        match line {
            0 => write!(f, "{}: {says}", path.display()),
            line => write!(f, "{}:{line}: {says}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let workspace = Workspace::find(Some(PathBuf::from("unused"))).unwrap();
        let findings: Vec<_> =
            findings(&workspace).unwrap().iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
