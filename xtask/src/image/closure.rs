//! What a program needs to start: the loader and the libraries that `ldd` names.
//!
//! So the programs of an ordinary build run in an image that holds nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::command;

/// The loader and libraries of a program; none for a static one. They are looked for in `folders`
/// before the places where this machine keeps them.
pub(super) fn libraries(program: &Path, folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    // ldd fails on static programs, and says so in a way that differs between machines.
    if !is_dynamic(program)? {
        return Ok(Vec::new());
    }
    let path = std::env::join_paths(folders)?;
    let answer = command::read(Command::new("ldd").arg(program).env("LD_LIBRARY_PATH", path))?;
    if answer.contains("not found") {
        bail!("{} needs a library that is not here:\n{answer}", program.display());
    }
    Ok(parse(&answer))
}

/// Whether the program names a loader: a PT_INTERP segment, whose text always ends in the name of
/// a dynamic loader and lies in the first page or two.
fn is_dynamic(program: &Path) -> Result<bool> {
    let bytes = std::fs::read(program)?;
    let head = bytes.get(..HEAD.min(bytes.len())).unwrap_or_default();
    Ok(head.windows(LOADER.len()).any(|window| window == LOADER))
}

/// Lines are `name => path (address)`, `path (address)`, or a name without a file.
fn parse(ldd: &str) -> Vec<PathBuf> {
    ldd.lines()
        .filter_map(|line| {
            let line = line.split_once("=> ").map_or(line, |(_, path)| path);
            let path = line.split_whitespace().next()?;
            path.starts_with('/').then(|| PathBuf::from(path))
        })
        .collect()
}

const LOADER: &[u8] = b"/ld-linux";
const HEAD: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_and_what_is_found_go_into_the_image_and_the_kernels_own_does_not() {
        let ldd = "\tlinux-vdso.so.1 (0x00007f59dccec000)\n\
                   \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f59db61e000)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007f59dccee000)\n";
        assert_eq!(
            parse(ldd),
            [
                PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6"),
                PathBuf::from("/lib64/ld-linux-x86-64.so.2")
            ]
        );
    }
}
