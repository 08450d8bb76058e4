//! What is tried: each target is a reader of bytes from elsewhere, with claims that hold for any.

mod admission;
mod discovery;
mod http1;
mod opening;
mod routes;

use std::path::PathBuf;

/// Something that reads bytes.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Where to begin.
    pub(crate) corpus: fn() -> Vec<Vec<u8>>,
    /// What its format is made of.
    pub(crate) words: &'static [&'static str],
    /// Reads an input, panics if a claim does not hold, and says in a number what it did.
    pub(crate) run: fn(&[u8]) -> u64,
}

/// All of them.
pub(crate) const ALL: &[Target] = &[
    http1::TARGET,
    opening::CLIENT_HELLO,
    opening::DETECT,
    opening::PROXY_PROTOCOL,
    discovery::TARGET,
    routes::TARGET,
    admission::TARGET,
];

/// The committed inputs of a target: each was new once, or made it panic.
fn committed(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.sort();
    files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
}

#[cfg(test)]
mod tests;
