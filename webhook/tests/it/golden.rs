//! What becomes of each pod, written beside it. `UPDATE_GOLDEN=1` writes it anew.

use webhook::inject::Injection;

use crate::shapes::{Shape, all};

#[test]
fn every_pod_becomes_what_is_written_beside_it() {
    let update = runtime::settings::Env::from_process().text("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for shape in all() {
        let (seen, golden) = (render(&shape), shape.file.with_extension("injected.yaml"));
        if update {
            std::fs::write(&golden, &seen).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if seen != expected {
            let diff = similar::TextDiff::from_lines(&expected, &seen);
            wrong.push(format!("{}\n{}", golden.display(), diff.unified_diff()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn render(shape: &Shape) -> String {
    match shape.inject(&shape.pod) {
        Ok(Injection::Leave(why)) => format!("# left alone: {}\n", why.label()),
        Err(refused) => format!("# refused: {refused}\n"),
        Ok(Injection::Patch(_)) => {
            let (pod, warnings) = shape.injected(&shape.pod).unwrap();
            let warnings: String = warnings.iter().map(|it| format!("# warning: {it}\n")).collect();
            format!("{warnings}{}", serde_saphyr::to_string(&pod).unwrap())
        }
    }
}
