//! The rule of [`api::injection`] as CEL, for pods that are made while the webhook is away: only
//! those that it would have given a proxy are held to anything.
//!
//! Label selectors cannot say it, because of annotations and specs; a match condition cannot,
//! because it does not see the namespace. So it is a chain of a policy's variables.

use api::{injection::LeftAlone, names};
use k8s_openapi::api::admissionregistration::v1::Variable;

/// Variables of which the last, `variables.wants_proxy`, is the rule; each uses only those before.
pub(super) fn wants_proxy(honour_istio_labels: bool) -> Vec<Variable> {
    let mut all = said(honour_istio_labels);
    all.push(variable("asked", &asked(honour_istio_labels)));
    let reasons = LeftAlone::ALL.into_iter().filter_map(|why| reason(why, honour_istio_labels));
    all.push(variable("left_alone", &any(reasons)));
    all.push(variable("wants_proxy", "variables.asked && !variables.left_alone"));
    all
}

pub(super) fn variable(name: &str, expression: &str) -> Variable {
    Variable { name: name.to_owned(), expression: expression.to_owned() }
}

/// What namespace and pod say; nothing is the empty text.
fn said(honour_istio_labels: bool) -> Vec<Variable> {
    let value = |of: &str, key: &str| format!("{of}[?{key:?}].orValue(\"\")");
    let mut all = vec![
        variable("namespace_says", &value(NAMESPACE, names::INJECTION)),
        variable("label", &value(LABELS, names::INJECTION)),
        variable("annotation", &value(ANNOTATIONS, names::INJECTION)),
    ];
    if honour_istio_labels {
        all.extend([
            variable("istio_namespace_says", &value(NAMESPACE, names::ISTIO_INJECTION)),
            variable("istio_label", &value(LABELS, names::ISTIO_INJECT)),
            variable("istio_annotation", &value(ANNOTATIONS, names::ISTIO_INJECT)),
        ]);
    }
    all
}

/// Whether labels ask for a proxy: what [`super::selector`] says.
fn asked(honour_istio_labels: bool) -> String {
    any([SERIN_ASKS]
        .into_iter()
        .chain(honour_istio_labels.then_some(ISTIO_ASKS))
        .map(str::to_owned))
}

/// Whether this keeps a pod from having a proxy. No `_` arm: a new reason must be said here too.
fn reason(why: LeftAlone, honour_istio_labels: bool) -> Option<String> {
    let text = |text: &str| Some(text.to_owned());
    match why {
        LeftAlone::OptedOut => {
            let istio = honour_istio_labels.then_some(ISTIO_OUT);
            Some(any([SERIN_OUT].into_iter().chain(istio).map(str::to_owned)))
        }
        LeftAlone::HostNetwork => text("object.spec.?hostNetwork.orValue(false)"),
        LeftAlone::MirrorPod => {
            Some(format!("{:?} in object.metadata.?annotations.orValue({{}})", names::MIRROR))
        }
        LeftAlone::NotLinux => Some(any([
            "object.spec.?os.?name.orValue(\"linux\") != \"linux\"".to_owned(),
            format!(
                "object.spec.?nodeSelector[?{:?}].orValue(\"linux\") != \"linux\"",
                names::NODE_OS
            ),
        ])),
        LeftAlone::OtherMesh => Some(any(["initContainers", "containers"].map(|list| {
            let known = names::OTHER_PROXIES;
            format!("object.spec.?{list}.orValue([]).exists(c, c.name in {known:?})")
        }))),
        // The policy's selector names the namespaces, and a pod has a spec.
        LeftAlone::SystemNamespace | LeftAlone::NoSpec => None,
    }
}

fn any(expressions: impl IntoIterator<Item = String>) -> String {
    let all: Vec<String> = expressions.into_iter().map(|it| format!("({it})")).collect();
    all.join(" ||\n")
}

const NAMESPACE: &str = "namespaceObject.metadata.?labels";
const LABELS: &str = "object.metadata.?labels";
const ANNOTATIONS: &str = "object.metadata.?annotations";

const SERIN_ASKS: &str = r#"variables.namespace_says in ["enabled", "required"]
  ? variables.label != "disabled" : variables.label == "enabled""#;

const ISTIO_ASKS: &str = r#"!(variables.namespace_says in ["enabled", "disabled", "required"]) &&
!(variables.label in ["enabled", "disabled", "required"]) &&
(variables.istio_label in ["true", "false"]
  ? variables.istio_label == "true" : variables.istio_namespace_says == "enabled")"#;

const SERIN_OUT: &str = r#"(variables.label in ["enabled", "disabled", "required"]
  ? variables.label : variables.annotation) == "disabled""#;

const ISTIO_OUT: &str = r#"!(variables.label in ["enabled", "disabled", "required"]) &&
!(variables.annotation in ["enabled", "disabled", "required"]) &&
(variables.istio_label in ["true", "false"] ? variables.istio_label : variables.istio_annotation) == "false""#;

#[cfg(test)]
mod tests;
