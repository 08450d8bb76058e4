//! The pieces together, for a second: what is claimed is that they work, not how fast.

use std::{path::PathBuf, process::Command};

use bench::{launch::Who, plan::Plan, report::Results};

#[test]
fn serin_and_the_minimal_proxy_are_measured_as_pairs_and_the_results_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let plan = Plan {
        scenarios: vec!["tcp-pair".to_owned(), "large-pair".to_owned()],
        rounds: 1,
        seconds: 1,
        out: out.clone(),
        baseline: PathBuf::from("none"),
        commit: "a test".to_owned(),
        ..Plan::default()
    };
    let file = folder.path().join("plan.json");
    std::fs::write(&file, serde_json::to_string(&plan).unwrap()).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_bench")).arg("run").arg(&file).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let results = Results::read(&out.join("latest.json")).unwrap().unwrap();
    let takers = |section: usize| {
        let rows = results.sections[section].rows.iter();
        rows.map(|row| (row.who, row.figure.as_str(), row.values[0] > 0.0)).collect::<Vec<_>>()
    };
    let of = |who| [(who, "cpu/GB", true), (who, "throughput", true)];
    assert_eq!(takers(0), of(Who::Serin));
    assert_eq!(takers(1), [of(Who::Serin), of(Who::Minimal)].concat());
    assert!(out.join("latest.svg").exists());
}
