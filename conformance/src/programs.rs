//! Where the programs are. Those that are built lie where `cargo xtask conformance` says; those of
//! the distribution where it puts them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// A program that was built from its Go module.
///
/// # Errors
/// If `cargo xtask conformance` did not start this process.
pub fn built(module: &str, name: &str) -> Result<Command> {
    let variable = format!("SERIN_CONFORMANCE_{}", module.to_uppercase());
    let folder = std::env::var_os(&variable)
        .with_context(|| format!("{variable} is not set: run `cargo xtask conformance`"))?;
    Ok(Command::new(Path::new(&folder).join(name)))
}

/// A program of the distribution, some of which lie outside of a user's path.
///
/// # Errors
/// If it is not installed.
pub fn installed(name: &str) -> Result<Command> {
    find(name)
        .map(Command::new)
        .with_context(|| format!("{name} is not installed: run `cargo xtask conformance` as root"))
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/bin", "/bin"];
