//! What the API server asks the webhook about: pods that are to have a proxy, and our own and
//! foreign kinds, on which it warns.

use api::{gateway::GATEWAY_GROUP, mesh::FailurePolicy, names};
use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations,
        ServiceReference, ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
    },
};

use super::{
    label::global,
    selector::{Entry, entries},
};
use crate::mesh::valid::Valid;

/// Injection. Entries exclude each other, so that a pod costs one call.
pub(super) fn mutating(valid: &Valid, ca_bundle: &[u8]) -> MutatingWebhookConfiguration {
    let webhooks = entries(valid).into_iter().map(|entry| injects(valid, ca_bundle, entry));
    MutatingWebhookConfiguration {
        metadata: global(valid, names::WEBHOOK),
        webhooks: Some(webhooks.collect()),
    }
}

/// Warnings. A webhook that is away refuses nothing here: CRDs carry the rules that must hold.
pub(super) fn validating(valid: &Valid, ca_bundle: &[u8]) -> ValidatingWebhookConfiguration {
    let ours = rule(names::GROUP, "*", &["canaryrollouts", "meshinstallations"], "*");
    let foreign = rule(GATEWAY_GROUP, "*", &["httproutes"], "Namespaced");
    let webhook = ValidatingWebhook {
        name: format!("validate.{}", names::GROUP),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: client(valid, "/validate", ca_bundle),
        failure_policy: Some("Ignore".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        rules: Some(vec![changes(ours), changes(foreign)]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
        ..ValidatingWebhook::default()
    };
    ValidatingWebhookConfiguration {
        metadata: global(valid, names::WEBHOOK),
        webhooks: Some(vec![webhook]),
    }
}

fn injects(valid: &Valid, ca_bundle: &[u8], entry: Entry) -> MutatingWebhook {
    let failure_policy = match valid.spec.injection.failure_policy {
        FailurePolicy::Ignore => "Ignore",
        FailurePolicy::Fail => "Fail",
    };
    MutatingWebhook {
        name: format!("{}.inject.{}", entry.name, names::GROUP),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: client(valid, "/inject", ca_bundle),
        failure_policy: Some(failure_policy.to_owned()),
        match_conditions: Some(conditions()),
        match_policy: Some("Equivalent".to_owned()),
        namespace_selector: Some(entry.namespaces),
        object_selector: Some(entry.pods),
        reinvocation_policy: Some("IfNeeded".to_owned()),
        rules: Some(vec![rule("", "v1", &["pods"], "Namespaced")]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
    }
}

/// Pods that cannot have a proxy are not asked about, whatever their labels say.
fn conditions() -> Vec<MatchCondition> {
    let condition = |name: &str, expression: &str| MatchCondition {
        name: name.to_owned(),
        expression: expression.to_owned(),
    };
    vec![
        condition("own-network", "!object.spec.?hostNetwork.orValue(false)"),
        condition(
            "not-static",
            "!(\"kubernetes.io/config.mirror\" in object.metadata.?annotations.orValue({}))",
        ),
    ]
}

fn client(valid: &Valid, path: &str, ca_bundle: &[u8]) -> WebhookClientConfig {
    let service = ServiceReference {
        name: names::WEBHOOK.to_owned(),
        namespace: valid.spec.namespace.0.clone(),
        path: Some(path.to_owned()),
        port: Some(443),
    };
    let ca_bundle = Some(ByteString(ca_bundle.to_vec()));
    WebhookClientConfig { service: Some(service), ca_bundle, url: None }
}

fn rule(group: &str, version: &str, resources: &[&str], scope: &str) -> RuleWithOperations {
    let list = |text: &str| Some(vec![text.to_owned()]);
    RuleWithOperations {
        api_groups: list(group),
        api_versions: list(version),
        operations: list("CREATE"),
        resources: Some(resources.iter().map(|name| (*name).to_owned()).collect()),
        scope: Some(scope.to_owned()),
    }
}

fn changes(rule: RuleWithOperations) -> RuleWithOperations {
    let operations = ["CREATE", "UPDATE"].map(str::to_owned).to_vec();
    RuleWithOperations { operations: Some(operations), ..rule }
}

const TIMEOUT_SECONDS: i32 = 5;
