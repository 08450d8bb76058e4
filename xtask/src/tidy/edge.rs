//! Who may know whom: the edges between our crates, and the crates of others that some of ours must
//! do without.

use std::path::Path;

use super::Finding;
use crate::workspace::Package;

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let ours: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
    packages.iter().flat_map(|package| check_one(package, &ours)).collect()
}

fn check_one(package: &Package, ours: &[&str]) -> Vec<Finding> {
    let manifest = Path::new(&package.name).join("Cargo.toml");
    let Some((_, may_know, must_not_know)) = RULES.iter().find(|(name, ..)| *name == package.name)
    else {
        return vec![Finding::of(&manifest, "name the crate's edges in xtask/src/tidy/edge.rs")];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let is_for_tests = dependency.kind.as_deref() == Some("dev");
        let is_ours = dependency.path.is_some() && ours.contains(&name);
        if is_ours && !may_know.contains(&name) && !(is_for_tests && FOR_TESTS.contains(&name)) {
            findings.push(Finding::of(&manifest, format!("{} may not know {name}", package.name)));
        }
        if must_not_know.contains(&name) && !is_for_tests && !is_ours {
            findings.push(Finding::of(&manifest, format!("{} does without {name}", package.name)));
        }
    }
    findings
}

/// A crate, the crates of ours it may know, and the crates of others it must do without.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Design section 3. The proxy does not know Kubernetes, and the model does no I/O, reads no clock
/// and draws no randomness.
const RULES: &[Rule] = &[
    ("api", &[], &["tokio", "hyper"]),
    ("model", &[], &["tokio", "hyper", "rand", "kube", "k8s-openapi", "tonic"]),
    ("wire", &["model"], KUBERNETES),
    ("runtime", &[], KUBERNETES),
    ("cluster", &["api", "runtime"], &[]),
    ("control", &["api", "model", "wire", "runtime", "cluster"], &[]),
    ("operator", &["api", "model", "wire", "runtime", "cluster"], &[]),
    ("webhook", &["api", "model", "wire", "runtime", "cluster"], &[]),
    ("proxy", &["model", "wire", "runtime"], KUBERNETES),
    ("cli", &["api", "model", "wire", "runtime", "cluster", "webhook"], &[]),
    ("testkit", &[], KUBERNETES),
    ("lab", &["model", "proxy", "runtime"], KUBERNETES),
    ("conformance", &["lab", "model", "testkit"], KUBERNETES),
    ("bench", &["lab", "model", "proxy", "runtime", "wire"], KUBERNETES),
    ("fuzz", &["api", "lab", "model", "proxy", "webhook", "wire"], &[]),
    ("e2e", &["api", "cluster", "runtime", "testkit"], &[]),
    ("xtask", &["api"], &[]),
];
/// Crates that any of ours may use in its tests.
const FOR_TESTS: &[&str] = &["testkit", "lab"];
const KUBERNETES: &[&str] = &["kube", "k8s-openapi"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn findings(name: &str, dependency: &str, kind: Option<&str>) -> usize {
        let path = RULES.iter().any(|(ours, ..)| *ours == dependency).then(|| dependency.into());
        let package = Package::new(
            name,
            vec![Dependency { name: dependency.to_owned(), kind: kind.map(str::to_owned), path }],
        );
        let ours: Vec<_> = RULES.iter().map(|(name, ..)| *name).collect();
        check_one(&package, &ours).len()
    }

    #[test]
    fn the_proxy_does_not_know_kubernetes() {
        assert_eq!(findings("proxy", "wire", None), 0);
        assert_eq!(findings("proxy", "kube", None), 1);
        assert_eq!(findings("proxy", "cluster", None), 1);
    }

    #[test]
    fn the_model_draws_no_randomness_except_in_its_tests() {
        assert_eq!(findings("model", "rand", None), 1);
        assert_eq!(findings("model", "rand", Some("dev")), 0);
    }

    #[test]
    fn every_crate_may_be_tested_with_the_testkit() {
        assert_eq!(findings("proxy", "testkit", Some("dev")), 0);
        assert_eq!(findings("proxy", "testkit", None), 1);
    }

    #[test]
    fn a_new_crate_has_to_name_its_edges() {
        assert_eq!(findings("newcomer", "bytes", None), 1);
    }
}
