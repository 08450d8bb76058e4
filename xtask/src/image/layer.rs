//! The files of an image and how it is started, and the layer made of them: a tar whose bytes
//! follow from the contents alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What an image holds and runs.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) entrypoint: Vec<String>,
    /// `None` is root.
    pub(super) user: Option<u32>,
    pub(super) environment: Vec<String>,
    /// By absolute path in the image.
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Debug)]
enum Entry {
    Folder { mode: u32 },
    File { bytes: Bytes, mode: u32 },
    Link { target: PathBuf },
}

#[derive(Debug)]
enum Bytes {
    Here(Vec<u8>),
    In(PathBuf),
}

impl Contents {
    /// An image that runs one program.
    pub(super) fn of(entrypoint: &str) -> Self {
        Self { entrypoint: vec![entrypoint.to_owned()], ..Self::default() }
    }

    /// Adds a file of this machine; it is executable in the image if it is so here.
    pub(super) fn copy(&mut self, from: &Path, to: impl Into<PathBuf>) -> Result<()> {
        let metadata =
            fs::metadata(from).with_context(|| format!("cannot read {}", from.display()))?;
        let mode = if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
        self.add(to.into(), Entry::File { bytes: Bytes::In(from.to_owned()), mode });
        Ok(())
    }

    /// Adds a file that is written here.
    pub(super) fn text(&mut self, to: impl Into<PathBuf>, text: &str) {
        let bytes = Bytes::Here(text.as_bytes().to_owned());
        self.add(to.into(), Entry::File { bytes, mode: 0o644 });
    }

    pub(super) fn folder(&mut self, path: impl Into<PathBuf>, mode: u32) {
        self.add(path.into(), Entry::Folder { mode });
    }

    pub(super) fn link(&mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) {
        self.add(path.into(), Entry::Link { target: target.into() });
    }

    /// The layer as a tar: sorted, without times or owners.
    pub(super) fn tar(&self) -> Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            let path = path.strip_prefix("/").unwrap_or(path);
            append(&mut tar, path, entry)
                .with_context(|| format!("cannot put {} into an image", path.display()))?;
        }
        Ok(tar.into_inner()?)
    }

    fn add(&mut self, path: PathBuf, entry: Entry) {
        for parent in path.ancestors().skip(1).filter(|parent| parent.parent().is_some()) {
            self.entries.entry(parent.to_owned()).or_insert(Entry::Folder { mode: 0o755 });
        }
        self.entries.insert(path, entry);
    }
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &Path, entry: &Entry) -> Result<()> {
    match entry {
        Entry::Folder { mode } => {
            tar.append_data(&mut header(tar::EntryType::Directory, *mode, 0), path, &[][..])?;
        }
        Entry::File { bytes, mode } => {
            let bytes = match bytes {
                Bytes::Here(bytes) => bytes,
                Bytes::In(file) => &fs::read(file)?,
            };
            let mut header = header(tar::EntryType::Regular, *mode, bytes.len());
            tar.append_data(&mut header, path, bytes.as_slice())?;
        }
        Entry::Link { target } => {
            tar.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), path, target)?;
        }
    }
    Ok(())
}

/// Nothing in it depends on when or by whom it is made.
pub(super) fn header(kind: tar::EntryType, mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}
