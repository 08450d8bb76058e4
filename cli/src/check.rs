//! `serinctl check`: looks for what keeps the mesh, or pods that should be in it, from working.
//!
//! Findings are sentences with the object, the field and the fix. The exit code is 1 if there is
//! any error.

use std::{io::Write as _, process::ExitCode};

use anyhow::Context as _;
use api::{
    injection::{Rule, Traits},
    mesh::{MeshInstallation, MeshInstallationSpec},
    names,
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{Api, Client, ResourceExt as _, api::ListParams};

/// Looks for what keeps the mesh, or pods that should be in it, from working.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Look at this namespace only.
    #[arg(short, long)]
    namespace: Option<String>,
}

/// Something to be done.
#[derive(Debug, Eq, PartialEq)]
enum Finding {
    /// It keeps something from working.
    Error(String),
    /// It may be meant.
    Warning(String),
}

/// Runs the command.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = Client::try_default().await.context("no cluster is configured: set KUBECONFIG")?;
    let mut findings = Vec::new();
    let mesh = Api::<MeshInstallation>::all(client.clone()).get_opt("default").await;
    let mesh = mesh.context("MeshInstallations cannot be read")?;
    findings.extend(about_mesh(mesh.as_ref()));
    let spec = mesh.map(|mesh| mesh.spec).unwrap_or_default();
    let rule = rule_of(&spec);
    for namespace in namespaces(&client, arguments.namespace.as_deref()).await? {
        let pods = Api::<Pod>::namespaced(client.clone(), &namespace.name_any());
        let pods = pods.list(&ListParams::default()).await.context("pods cannot be read")?;
        findings.extend(about_namespace(rule, &namespace, &pods.items));
    }
    print(&findings)?;
    let wrong = findings.iter().any(|finding| matches!(finding, Finding::Error(_)));
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn namespaces(client: &Client, only: Option<&str>) -> anyhow::Result<Vec<Namespace>> {
    let all = Api::<Namespace>::all(client.clone());
    match only {
        Some(name) => {
            let found = all.get(name).await;
            Ok(vec![found.with_context(|| format!("namespace {name} cannot be read"))?])
        }
        None => {
            Ok(all.list(&ListParams::default()).await.context("namespaces cannot be read")?.items)
        }
    }
}

fn about_mesh(mesh: Option<&MeshInstallation>) -> Vec<Finding> {
    let Some(mesh) = mesh else {
        return vec![Finding::Error(
            "there is no MeshInstallation \"default\": kubectl apply -f config/samples/mesh.yaml"
                .to_owned(),
        )];
    };
    let status = mesh.status.clone().unwrap_or_default();
    let mut findings = Vec::new();
    for condition in &status.conditions {
        let bad = match condition.type_.as_str() {
            "Ready" => condition.status != "True",
            "Stalled" => condition.status == "True",
            _ => false,
        };
        if bad {
            let (kind, message) = (&condition.type_, &condition.message);
            findings.push(Finding::Error(format!(
                "mesh default: {kind} is {}: {message}",
                condition.status
            )));
        }
    }
    for laggard in status.proxies.iter().flat_map(|proxies| &proxies.laggards) {
        findings.push(Finding::Warning(format!(
            "the proxy of pod {laggard} does not hold its newest configuration: look at kubectl logs -c serin-proxy"
        )));
    }
    findings
}

fn rule_of(spec: &MeshInstallationSpec) -> Rule<'_> {
    let honour_istio_labels = spec.injection.honour_istio_labels;
    Rule { own: &spec.namespace.0, honour_istio_labels }
}

/// What is wrong in a namespace some of whose pods should have proxies.
fn about_namespace(rule: Rule<'_>, namespace: &Namespace, pods: &[Pod]) -> Vec<Finding> {
    let (name, labels) = (namespace.name_any(), namespace.labels());
    let mut findings = Vec::new();
    // The webhook injects at no level but this one, and no level at all.
    let level = labels.get(POD_SECURITY).filter(|level| *level != "privileged");
    if let Some(level) = level.filter(|_| rule.is_meshed(&name, labels)) {
        findings.push(Finding::Error(format!(
            "namespace {name} enforces Pod Security level {level:?}, which forbids the capability NET_ADMIN of the \
             init container serin-redirect: label it {POD_SECURITY}=privileged"
        )));
    }
    let slipped = |pod: &&Pod| {
        rule.wants_proxy(&name, labels, &Traits::of(pod)) && !has_proxy(pod) && !is_over(pod)
    };
    findings.extend(pods.iter().filter(slipped).map(|pod| {
        let pod = pod.name_any();
        Finding::Error(format!(
            "pod {name}/{pod} has no proxy though labels ask for one: delete it, so that it is made anew"
        ))
    }));
    findings
}

fn has_proxy(pod: &Pod) -> bool {
    let mut init = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    init.any(|container| container.name == names::PROXY_CONTAINER)
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed"))
}

fn print(findings: &[Finding]) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    for finding in findings {
        match finding {
            Finding::Error(text) => writeln!(output, "error:   {text}")?,
            Finding::Warning(text) => writeln!(output, "warning: {text}")?,
        }
    }
    if findings.is_empty() {
        writeln!(output, "nothing to be done")?;
    }
    Ok(())
}

const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(labels: &serde_json::Value, pod: &serde_json::Value) -> Vec<Finding> {
        let namespace = json!({ "metadata": { "name": "shop", "labels": labels } });
        let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
        let rule = Rule { own: "serin-system", honour_istio_labels: false };
        about_namespace(rule, &serde_json::from_value(namespace).unwrap(), &[pod])
    }

    #[test]
    fn a_pod_without_its_proxy_is_found_where_proxies_are_wanted() {
        let pod = json!({ "metadata": { "name": "a" }, "spec": { "containers": [] } });
        assert_eq!(check(&json!({ "serin.dev/injection": "enabled" }), &pod).len(), 1);
        assert_eq!(check(&json!({}), &pod), []);
        let out = json!({
            "metadata": { "name": "a", "labels": { "serin.dev/injection": "disabled" } },
            "spec": { "containers": [] },
        });
        assert_eq!(check(&json!({ "serin.dev/injection": "enabled" }), &out), []);
    }

    #[test]
    fn a_pod_that_the_webhook_leaves_alone_misses_nothing() {
        let windows = json!({
            "metadata": { "name": "iis" },
            "spec": { "containers": [], "nodeSelector": { "kubernetes.io/os": "windows" } },
        });
        assert_eq!(check(&json!({ "serin.dev/injection": "enabled" }), &windows), []);
    }

    #[test]
    fn a_pod_security_level_that_forbids_injection_is_named() {
        let meshed = json!({
            "metadata": { "name": "a" },
            "spec": { "containers": [], "initContainers": [{ "name": "serin-proxy" }] },
        });
        let labels = json!({
            "serin.dev/injection": "enabled", "pod-security.kubernetes.io/enforce": "restricted",
        });
        let findings = check(&labels, &meshed);
        assert!(matches!(&findings[..], [Finding::Error(text)] if text.contains("restricted")));
    }

    #[test]
    fn a_missing_mesh_is_an_error_with_its_fix() {
        assert!(
            matches!(&about_mesh(None)[..], [Finding::Error(text)] if text.contains("kubectl apply"))
        );
    }
}
