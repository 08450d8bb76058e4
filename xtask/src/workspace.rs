//! Where things are: the checkout, its target directory, its version, and the cache beside it.
//! Nothing here creates a directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command;

/// The places a task works with.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, which may lie elsewhere.
    pub(crate) target: PathBuf,
    /// The version all crates share; images are tagged with it.
    pub(crate) version: String,
    /// What may be thrown away and made again, shared by all checkouts.
    pub(crate) cache: PathBuf,
    /// The crates of the workspace, with the crates of the workspace each depends on.
    pub(crate) packages: Vec<Package>,
}

/// A crate of the workspace.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    version: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// Something that is built of a crate: its library, a program, a test.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    kind: Vec<String>,
}

/// What a crate asks for in its manifest.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Where it lies, if it is a crate of ours.
    pub(crate) path: Option<PathBuf>,
}

impl Workspace {
    /// Asks cargo about the checkout that the current directory lies in.
    pub(crate) fn find(cache: Option<PathBuf>) -> Result<Self> {
        let metadata = command::read(Command::new("cargo").args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ]))?;
        let metadata: Metadata =
            serde_json::from_str(&metadata).context("failed to read cargo's metadata")?;
        let version = metadata
            .packages
            .iter()
            .find(|package| package.name == "xtask")
            .map(|package| package.version.clone())
            .context("cargo does not know the package xtask")?;
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            version,
            cache: cache.map_or_else(default_cache, Ok)?,
            packages: metadata.packages,
        })
    }
}

impl Package {
    #[cfg(test)]
    pub(crate) fn new(name: &str, dependencies: Vec<Dependency>) -> Self {
        let manifest_path = PathBuf::from(name).join("Cargo.toml");
        let (name, version, targets) = (name.to_owned(), String::new(), Vec::new());
        Self { name, version, manifest_path, dependencies, targets }
    }

    /// Where the crate lies.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Where the crate lies in the checkout.
    pub(crate) fn folder_in(&self, root: &Path) -> &Path {
        self.folder().strip_prefix(root).unwrap_or_else(|_| self.folder())
    }
}

impl Target {
    /// Whether it is an integration test.
    pub(crate) fn is_test(&self) -> bool {
        self.kind.iter().any(|kind| kind == "test")
    }
}

fn default_cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set: name a directory with --cache")?;
    Ok(base.join("serin"))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}
