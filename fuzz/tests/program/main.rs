//! The program as `cargo xtask fuzz` calls it.

use std::{collections::BTreeSet, path::Path, process::Command};

fn said_by(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fuzz")).args(arguments).output();
    let output = output.expect("it is built beside this test");
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

/// CI takes those that are named: a target that is not listed would be compiled and never tried.
#[test]
fn without_a_target_all_are_named_that_have_a_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let folders = std::fs::read_dir(corpus).unwrap();
    let folders: BTreeSet<_> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    let (went_well, said) = said_by(&[]);
    let named: BTreeSet<_> = said.lines().map(str::to_owned).collect();
    assert!(went_well);
    assert_eq!(named, folders);
}

#[test]
fn a_target_that_does_not_exist_is_an_error_and_not_a_clean_run() {
    let (went_well, said) = said_by(&["htpp1", "--seconds", "0"]);
    assert!(!went_well && said.contains("no target is called htpp1"), "{said}");
}
