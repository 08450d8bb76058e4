//! `codegen`: writes the files that are made from other files and committed, or says with `--check`
//! which of them are out of date.

mod crd;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Write config/crd, the kinds in config/install and wire/src/gen from their sources.
///
/// Everything it writes is committed, so that building Serin needs neither this tool nor protoc.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask codegen            write what changed and name it
  cargo xtask codegen --check    change nothing; fail if something is out of date")]
pub(crate) struct Args {
    /// Write nothing; fail and name the files that are out of date.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.check {
        return check(workspace);
    }
    for change in stale(workspace)? {
        println!("  {change}");
        change.make(&workspace.root)?;
    }
    Ok(())
}

/// Fails if a generated file is not what its source says, and names it.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let stale = stale(workspace)?;
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = stale.iter().map(|change| change.path().display().to_string()).collect();
    bail!("out of date, run `cargo xtask codegen`: {}", names.join(", "))
}

/// What has to change so that the generated files are what their sources say.
fn stale(workspace: &Workspace) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for folder in [
        Folder { path: "config/crd", prefix: "", files: crd::files("serin.dev_")? },
        // Applying config/install alone installs everything, the kinds before the rest.
        Folder { path: "config/install", prefix: "01-crd-", files: crd::files("01-crd-")? },
        Folder { path: "wire/src/gen", prefix: "", files: wire::files(&workspace.root)? },
    ] {
        changes.extend(folder.compare(&workspace.root)?);
    }
    Ok(changes)
}

/// What of a folder is generated: the files that begin with the prefix are these and no others.
struct Folder {
    path: &'static str,
    prefix: &'static str,
    files: BTreeMap<String, String>,
}

impl Folder {
    fn compare(self, root: &Path) -> Result<Vec<Change>> {
        let folder = Path::new(self.path);
        let mut changes = Vec::new();
        for name in names_in(&root.join(folder))? {
            if name.starts_with(self.prefix) && !self.files.contains_key(&name) {
                changes.push(Change::Remove(folder.join(name)));
            }
        }
        for (name, wanted) in self.files {
            let path = folder.join(name);
            let held = fs::read_to_string(root.join(&path)).unwrap_or_default();
            if held != wanted {
                changes.push(Change::Write(path, wanted));
            }
        }
        Ok(changes)
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}

/// One file that is not as it should be, by its path in the checkout.
#[derive(Debug, Eq, PartialEq)]
enum Change {
    Write(PathBuf, String),
    Remove(PathBuf),
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Write(path, _) | Self::Remove(path) => path,
        }
    }

    fn make(&self, root: &Path) -> Result<()> {
        let path = root.join(self.path());
        match self {
            Self::Write(_, text) => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                fs::write(&path, text)
            }
            Self::Remove(_) => fs::remove_file(&path),
        }
        .with_context(|| format!("cannot change {}", path.display()))
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Write(path, _) => write!(f, "write {}", path.display()),
            Self::Remove(path) => write!(f, "remove {}", path.display()),
        }
    }
}
