//! Dead files: every Rust file of a crate is a root that cargo builds, or some `mod` names it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::Finding;
use super::source::Source;

/// Checks one crate; `folder` and the files' paths are both in the checkout.
pub(super) fn check(folder: &Path, files: &[Source]) -> Vec<Finding> {
    let is_root = |file: &Source| file.path.strip_prefix(folder).is_ok_and(cargo_finds);
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<PathBuf> =
        files.iter().filter(|file| is_root(file)).map(|file| file.path.clone()).collect();
    while let Some(path) = waiting.pop() {
        if let Some(file) = files.iter().find(|file| file.path == path)
            && reached.insert(path)
        {
            waiting.extend(named_by(file, is_root(file)));
        }
    }
    files
        .iter()
        .filter(|file| !reached.contains(&file.path))
        .map(|file| Finding::of(&file.path, "no `mod` names this file"))
        .collect()
}

/// Whether cargo builds a file of a crate by itself.
fn cargo_finds(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap_or_default()).collect();
    matches!(
        parts.as_slice(),
        ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", _]
            | ["tests" | "benches" | "examples", _]
            | ["tests" | "benches" | "examples", _, "main.rs"]
    )
}

/// The files that a file may name: more than exist, since a module has two possible places.
fn named_by(file: &Source, is_root: bool) -> Vec<PathBuf> {
    let folder = file.path.parent().unwrap_or_else(|| Path::new(""));
    let stem = file.path.file_stem().unwrap_or_default();
    let below = if is_root || stem == "mod" { folder.to_owned() } else { folder.join(stem) };
    let mut named = Vec::new();
    let mut path = None;
    for line in file.text.lines().map(str::trim) {
        if let Some(given) = quoted(line, "#[path = \"") {
            path = Some(folder.join(given));
        } else if let Some(name) = module(line) {
            let places = [below.join(format!("{name}.rs")), below.join(name).join("mod.rs")];
            named.extend(path.take().map_or_else(|| places.to_vec(), |path| vec![path]));
        } else if let Some(given) = quoted(line, "include!(\"") {
            named.push(folder.join(given));
        }
    }
    named.iter().map(|path| without_dots(path)).collect()
}

/// The name in `mod name;`, whatever its visibility.
fn module(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub").map_or(line, |rest| match rest.split_once(')') {
        Some((visibility, rest)) if visibility.starts_with('(') => rest,
        _ => rest,
    });
    line.trim_start().strip_prefix("mod ")?.strip_suffix(';')
}

fn quoted<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    line.strip_prefix(before)?.split('"').next()
}

fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => clean.push(part),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| Source { path: path.into(), text: (*text).to_owned() })
            .collect();
        check(Path::new("a"), &files).iter().map(|found| found.path.display().to_string()).collect()
    }

    #[test]
    fn a_file_is_alive_when_a_chain_of_modules_leads_to_it() {
        let files = [
            ("a/src/lib.rs", "mod b;"),
            ("a/src/b.rs", "pub(crate) mod c;"),
            ("a/src/b/c.rs", ""),
            ("a/tests/it/main.rs", "mod d;"),
            ("a/tests/it/d.rs", ""),
        ];
        assert_eq!(dead(&files), [""; 0]);
    }

    #[test]
    fn a_file_that_no_module_names_is_dead() {
        let files = [("a/src/lib.rs", "mod b;"), ("a/src/b.rs", ""), ("a/src/b/c.rs", "")];
        assert_eq!(dead(&files), ["a/src/b/c.rs"]);
    }

    #[test]
    fn a_path_attribute_names_a_file_elsewhere() {
        let files = [
            ("a/src/lib.rs", "#[path = \"gen/x.v1.rs\"]\nmod x;"),
            ("a/src/gen/x.v1.rs", ""),
            ("a/src/x.rs", ""),
        ];
        assert_eq!(dead(&files), ["a/src/x.rs"]);
    }
}
