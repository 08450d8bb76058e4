//! Manifests: lints, edition and versions come from the workspace, so that they are decided once.

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Finding;
use super::source::Source;

pub(super) fn check(manifest: &Source) -> Result<Vec<Finding>> {
    let table: Table = toml::from_str(&manifest.text)
        .with_context(|| format!("cannot read {}", manifest.path.display()))?;
    let package = table.get("package");
    let inherited = [
        ("lints", table.get("lints")),
        ("version", package.and_then(|package| package.get("version"))),
        ("edition", package.and_then(|package| package.get("edition"))),
    ];
    let mut findings = Vec::new();
    for (name, value) in inherited {
        if !value.is_some_and(is_from_workspace) {
            findings.push(Finding::of(&manifest.path, format!("{name} is not the workspace's")));
        }
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let dependencies = table.get(section).and_then(Value::as_table);
        for (name, value) in dependencies.into_iter().flatten() {
            if !is_from_workspace(value) {
                let says = format!("{section}: the version of {name} is not the workspace's");
                findings.push(Finding::of(&manifest.path, says));
            }
        }
    }
    Ok(findings)
}

fn is_from_workspace(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> Vec<String> {
        let manifest = Source { path: "a/Cargo.toml".into(), text: text.to_owned() };
        check(&manifest).unwrap().into_iter().map(|finding| finding.says).collect()
    }

    #[test]
    fn what_the_workspace_decides_is_not_decided_again() {
        let good = "[package]\nversion.workspace = true\nedition.workspace = true\n\
                    [lints]\nworkspace = true\n[dependencies]\na.workspace = true\n";
        assert_eq!(says(good), [""; 0]);
        assert_eq!(
            says(&format!("{good}b = \"1\"\n")),
            ["dependencies: the version of b is not the workspace's"]
        );
    }
}
