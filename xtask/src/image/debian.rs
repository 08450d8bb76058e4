//! Programs of Debian packages, unpacked into the cache and not installed: nothing is started, and
//! nothing on this machine changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use super::closure;
use super::layer::Contents;
use crate::command;
use crate::programs::into_cache;
use crate::workspace::Workspace;

/// Packages with what they depend on, unpacked.
#[derive(Debug)]
pub(super) struct Packages {
    root: PathBuf,
}

impl Packages {
    /// Downloads and unpacks what the cache does not hold.
    pub(super) fn unpack(workspace: &Workspace, names: &[&str]) -> Result<Self> {
        let finished = workspace.cache.join("debian").join(names.join("+"));
        let title = format!("download Debian's {}", names.join(", "));
        let root = into_cache(&finished, &title, |folder| {
            let archives = tempfile::tempdir()?;
            download(names, archives.path())?;
            for archive in fs::read_dir(archives.path())? {
                let archive = archive?.path();
                command::quiet(Command::new("dpkg-deb").arg("-x").arg(archive).arg(folder))?;
            }
            Ok(())
        })?;
        Ok(Self { root })
    }

    /// Adds a program and the libraries it needs, from the packages or from this machine.
    pub(super) fn add_program(&self, path: &str, contents: &mut Contents) -> Result<()> {
        let program = self.file(path);
        for library in closure::libraries(&program, &self.library_folders())? {
            let to = library
                .strip_prefix(&self.root)
                .map_or_else(|_elsewhere| library.clone(), |inside| Path::new("/").join(inside));
            contents.copy(&library, to)?;
        }
        contents.copy(&program, path)
    }

    /// Adds a folder with everything in it.
    pub(super) fn add_folder(&self, path: &str, contents: &mut Contents) -> Result<()> {
        for entry in WalkDir::new(self.file(path)).sort_by_file_name() {
            let entry = entry?;
            let to = Path::new("/").join(entry.path().strip_prefix(&self.root)?);
            if entry.file_type().is_symlink() {
                contents.link(to, fs::read_link(entry.path())?);
            } else if entry.file_type().is_file() {
                contents.copy(entry.path(), to)?;
            }
        }
        Ok(())
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn library_folders(&self) -> Vec<PathBuf> {
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        ["usr/lib", "lib"].iter().map(|lib| self.root.join(lib).join(&triplet)).collect()
    }
}

/// Fetches the archives of packages and of what they need that is not installed here.
fn download(names: &[&str], folder: &Path) -> Result<()> {
    if !command::succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{names:?} are Debian packages: make this image on Debian or Ubuntu");
    }
    let plan = || {
        command::read(
            Command::new("apt-get")
                .args(["install", "--simulate", "--no-install-recommends"])
                .args(names)
                .env("LC_ALL", "C"),
        )
    };
    let plan = plan().or_else(|_no_lists_yet| {
        command::quiet(Command::new("apt-get").args(["update", "--quiet"]))?;
        plan()
    })?;
    let mut packages = would_install(&plan);
    packages.extend(names);
    packages.sort_unstable();
    packages.dedup();
    command::quiet(Command::new("apt-get").arg("download").args(packages).current_dir(folder))
        .context("failed to download packages")
}

/// Lines are `Inst NAME (VERSION …)`.
fn would_install(plan: &str) -> Vec<&str> {
    plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next()).collect()
}

#[cfg(test)]
mod tests {
    use super::would_install;

    #[test]
    fn what_would_be_installed_is_what_is_missing_here() {
        let plan = "Reading package lists...\n\
                    Inst libaio1 (0.3.113-4 Debian:12 [amd64])\n\
                    Conf libaio1 (0.3.113-4 Debian:12 [amd64])\n";
        assert_eq!(would_install(plan), ["libaio1"]);
    }
}
