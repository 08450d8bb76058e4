//! What `codegen` calls out of date.

use super::*;

fn changes(held: &[(&str, &str)], wanted: &[(&str, &str)]) -> Vec<Change> {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("out")).unwrap();
    for (name, text) in held {
        fs::write(root.path().join("out").join(name), text).unwrap();
    }
    let files =
        wanted.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let changes = Folder { path: "out", prefix: "", files }.compare(root.path()).unwrap();
    for change in &changes {
        change.make(root.path()).unwrap();
    }
    changes
}

#[test]
fn a_file_that_is_as_its_source_says_is_left_alone() {
    assert_eq!(changes(&[("a", "1")], &[("a", "1")]), []);
}

#[test]
fn a_changed_file_and_a_missing_one_are_written() {
    assert_eq!(
        changes(&[("a", "old")], &[("a", "new"), ("b", "2")]),
        [
            Change::Write("out/a".into(), "new".to_owned()),
            Change::Write("out/b".into(), "2".to_owned()),
        ]
    );
}

#[test]
fn a_file_whose_source_is_gone_is_removed() {
    assert_eq!(changes(&[("a", "1")], &[]), [Change::Remove("out/a".into())]);
}

#[test]
fn hidden_files_are_nobodys_business() {
    assert_eq!(changes(&[(".gitkeep", "")], &[]), []);
}

#[test]
fn files_without_the_prefix_are_somebody_elses() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("10-roles.yaml"), "").unwrap();
    fs::write(root.path().join("01-crd-old.yaml"), "").unwrap();
    let folder = Folder { path: "", prefix: "01-crd-", files: BTreeMap::new() };
    assert_eq!(folder.compare(root.path()).unwrap(), [Change::Remove("01-crd-old.yaml".into())]);
}
