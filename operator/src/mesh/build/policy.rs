//! Admission policies: what must not come into being even while the webhook is away. The API server
//! evaluates them itself, so there is no server of ours that could be down.
//!
//! An error in evaluating one lets the object pass: were Serin's CRDs deleted before a policy that
//! refers to them, refusing on error would stop every pod of the cluster.

use api::names;
use k8s_openapi::{
    api::admissionregistration::v1::{
        MatchResources, NamedRuleWithOperations, ParamKind, ParamRef, ValidatingAdmissionPolicy,
        ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
        ValidatingAdmissionPolicySpec, Validation,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::{
    expression::{self, variable},
    label::global,
    selector::{elsewhere, is_in},
};
use crate::mesh::valid::Valid;

/// Refuses pods of a revision that its rollout does not trust and that lack the gate: they were
/// made without the webhook.
pub(super) fn rollout_gate(valid: &Valid) -> ValidatingAdmissionPolicy {
    let mut variables = expression::wants_proxy(valid.spec.injection.honour_istio_labels);
    variables.extend([
        variable("revision", REVISION),
        variable("target", "params.spec.targetRef.name"),
        variable("trusted", "params.?status.?trustedRevisions.orValue([])"),
    ]);
    let spec = ValidatingAdmissionPolicySpec {
        failure_policy: Some("Ignore".to_owned()),
        match_conditions: None,
        match_constraints: Some(pods(elsewhere(valid, []))),
        param_kind: Some(ParamKind {
            api_version: Some(format!("{}/v1alpha1", names::GROUP)),
            kind: Some("CanaryRollout".to_owned()),
        }),
        variables: Some(variables),
        validations: Some(vec![Validation {
            expression: GATED.to_owned(),
            message_expression: Some(GATED_MESSAGE.to_owned()),
            message: Some(
                "the pod's revision is not released yet and the pod has no gate".to_owned(),
            ),
            reason: None,
        }]),
        audit_annotations: None,
    };
    policy(valid, ROLLOUT_GATE, spec)
}

/// Each rollout of the pod's own namespace is asked; a namespace without any is free.
pub(super) fn rollout_gate_binding(valid: &Valid) -> ValidatingAdmissionPolicyBinding {
    let params = ParamRef {
        selector: Some(LabelSelector::default()),
        parameter_not_found_action: Some("Allow".to_owned()),
        name: None,
        namespace: None,
    };
    binding(valid, ROLLOUT_GATE, Some(params))
}

/// Refuses pods without a proxy where a namespace requires one.
pub(super) fn injection_required(valid: &Valid) -> ValidatingAdmissionPolicy {
    let required = elsewhere(valid, [is_in(names::INJECTION, &[names::REQUIRED])]);
    let spec = ValidatingAdmissionPolicySpec {
        failure_policy: Some("Ignore".to_owned()),
        match_constraints: Some(pods(required)),
        validations: Some(vec![Validation {
            expression: MESHED.to_owned(),
            message: Some(
                "the namespace is labelled serin.dev/injection=required and the pod has no proxy: either \
                 it opted out or uses the host's network, or Serin's webhook did not answer"
                    .to_owned(),
            ),
            message_expression: None,
            reason: None,
        }]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    policy(valid, INJECTION_REQUIRED, spec)
}

pub(super) fn injection_required_binding(valid: &Valid) -> ValidatingAdmissionPolicyBinding {
    binding(valid, INJECTION_REQUIRED, None)
}

fn policy(
    valid: &Valid,
    name: &str,
    spec: ValidatingAdmissionPolicySpec,
) -> ValidatingAdmissionPolicy {
    let metadata = global(valid, name);
    ValidatingAdmissionPolicy { metadata, spec: Some(spec), status: None }
}

fn binding(
    valid: &Valid,
    name: &str,
    params: Option<ParamRef>,
) -> ValidatingAdmissionPolicyBinding {
    let spec = ValidatingAdmissionPolicyBindingSpec {
        policy_name: Some(name.to_owned()),
        param_ref: params,
        validation_actions: Some(vec!["Deny".to_owned()]),
        match_resources: None,
    };
    ValidatingAdmissionPolicyBinding { metadata: global(valid, name), spec: Some(spec) }
}

/// New pods in these namespaces.
fn pods(namespaces: LabelSelector) -> MatchResources {
    let list = |text: &str| Some(vec![text.to_owned()]);
    let created = NamedRuleWithOperations {
        api_groups: list(""),
        api_versions: list("v1"),
        operations: list("CREATE"),
        resources: list("pods"),
        scope: Some("Namespaced".to_owned()),
        resource_names: None,
    };
    MatchResources {
        resource_rules: Some(vec![created]),
        namespace_selector: Some(namespaces),
        match_policy: Some("Equivalent".to_owned()),
        ..MatchResources::default()
    }
}

const ROLLOUT_GATE: &str = "serin-rollout-gate";
const INJECTION_REQUIRED: &str = "serin-injection-required";

const REVISION: &str = r#"object.metadata.?labels[?"pod-template-hash"].orValue("")"#;

/// A Deployment's pods belong to a ReplicaSet called `<deployment>-<revision>`.
const GATED: &str = r#"!variables.wants_proxy ||
variables.trusted.size() == 0 ||
variables.revision == "" ||
variables.revision in variables.trusted ||
!object.metadata.?ownerReferences.orValue([]).exists(owner, owner.?controller.orValue(false) &&
  owner.kind == "ReplicaSet" && owner.name == variables.target + "-" + variables.revision) ||
object.spec.?readinessGates.orValue([]).exists(gate, gate.conditionType == "serin.dev/promoted")"#;

const GATED_MESSAGE: &str = r#""revision " + variables.revision + " of Deployment " + variables.target +
" is not released yet, and this pod came without the gate that keeps it out of traffic, because Serin's webhook " +
"did not answer; pods of released revisions start as ever""#;

const MESHED: &str =
    r#"object.spec.?initContainers.orValue([]).exists(c, c.name == "serin-proxy")"#;
