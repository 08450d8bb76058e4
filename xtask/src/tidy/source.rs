//! Files as the checks see them: their path in the checkout and their text.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

/// A text file.
#[derive(Debug)]
pub(super) struct Source {
    /// In the checkout.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// Made by `codegen`, which answers for it.
    pub(super) fn is_generated(&self) -> bool {
        self.path.starts_with("wire/src/gen")
    }

    /// Only compiled for tests.
    pub(super) fn is_test(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "tests")
            || self.path.file_name().is_some_and(|name| name == "tests.rs")
    }

    /// The lines before a test module at the end.
    pub(super) fn production_lines(&self) -> impl Iterator<Item = &str> {
        let mut lines = self.text.lines().peekable();
        let mut over = self.is_test();
        std::iter::from_fn(move || {
            let line = lines.next()?;
            let next = lines.peek().copied().unwrap_or_default();
            over |= line == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{');
            (!over).then_some(line)
        })
    }
}

/// Reads one file.
pub(super) fn read(root: &Path, path: &Path) -> Result<Source> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Source { path: path.strip_prefix(root).unwrap_or(path).to_owned(), text })
}

/// The Rust files of a crate that cargo could build.
pub(super) fn rust_files(root: &Path, folder: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    for part in ["src", "tests", "benches", "examples"] {
        for entry in WalkDir::new(folder.join(part)).sort_by_file_name().into_iter().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(read(root, path)?);
            }
        }
    }
    Ok(files)
}
