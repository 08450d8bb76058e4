//! The shape of a file: how it opens, how long it is, and what it is called.

use super::Finding;
use super::source::Source;

pub(super) fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The tests of a module belong to the file that says what the module is.
    let speaks_for_itself = !file.path.ends_with("tests.rs");
    if speaks_for_itself && !file.text.starts_with("//!") {
        findings.push(Finding::at(&file.path, 1, "open with `//!`: what this file owns"));
    }
    let length = file.production_lines().count();
    if length > MAX_LINES {
        let says = format!("{length} lines without tests, more than {MAX_LINES}: it is two files");
        findings.push(Finding::of(&file.path, says));
    }
    let name = file.path.file_stem().unwrap_or_default().to_string_lossy();
    if FORBIDDEN.contains(&&*name) {
        findings.push(Finding::of(&file.path, format!("`{name}` does not say what is inside")));
    }
    if name == "mod" {
        findings.push(Finding::of(&file.path, "use foo.rs beside foo/, not mod.rs"));
    }
    findings
}

const MAX_LINES: usize = 400;
const FORBIDDEN: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "misc", "manager", "base"];

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Source { path: path.into(), text: text.to_owned() }).len()
    }

    #[test]
    fn a_file_opens_with_what_it_owns() {
        assert_eq!(findings("a/src/b.rs", "//! B.\n"), 0);
        assert_eq!(findings("a/src/b.rs", "use std::fs;\n"), 1);
        assert_eq!(findings("a/src/b/tests.rs", "use super::*;\n"), 0);
    }

    #[test]
    fn tests_do_not_count_towards_the_length() {
        let short = format!("//! B.\n{}", "fn f() {}\n".repeat(MAX_LINES - 1));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(99));
        assert_eq!(findings("a/src/b.rs", &format!("{short}{tests}")), 0);
        assert_eq!(findings("a/src/b.rs", &format!("{short}fn g() {{}}\n{tests}")), 1);
    }

    #[test]
    fn a_file_is_named_after_something() {
        assert_eq!(findings("a/src/util.rs", "//! B.\n"), 1);
        assert_eq!(findings("a/src/b/mod.rs", "//! B.\n"), 1);
    }
}
