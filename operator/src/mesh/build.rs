//! Everything that a mesh consists of, as it should be. Pure: one file for each kind of object.

mod account;
mod budget;
mod config;
mod deployment;
mod expression;
mod label;
mod lease;
mod policy;
mod role;
mod selector;
mod service;
mod webhook;

use k8s_openapi::api::{
    admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
        ValidatingWebhookConfiguration,
    },
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRoleBinding, RoleBinding},
};

use super::valid::Valid;

pub(crate) use budget::budget;
pub(crate) use label::meta;

/// All objects of a mesh but its secrets and trust bundles, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Desired {
    pub(crate) accounts: Vec<ServiceAccount>,
    pub(crate) cluster_role_bindings: Vec<ClusterRoleBinding>,
    pub(crate) role_bindings: Vec<RoleBinding>,
    pub(crate) webhook_config: ConfigMap,
    pub(crate) leases: Vec<Lease>,
    pub(crate) services: Vec<Service>,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) budgets: Vec<PodDisruptionBudget>,
    pub(crate) policies: Vec<ValidatingAdmissionPolicy>,
    pub(crate) policy_bindings: Vec<ValidatingAdmissionPolicyBinding>,
    /// Absent while the webhook has no certificate that the API server could be told of.
    pub(crate) webhooks: Option<Webhooks>,
}

/// What sends admission requests to the webhook.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Webhooks {
    pub(crate) mutating: MutatingWebhookConfiguration,
    pub(crate) validating: ValidatingWebhookConfiguration,
}

/// The mesh that `valid` asks for, whose webhook serves with a certificate below `ca_bundle` (PEM).
pub(crate) fn build(valid: &Valid, ca_bundle: Option<&[u8]>) -> Desired {
    let config = config::of(valid);
    let hash = config::hash(&config);
    let webhooks = ca_bundle.map(|bundle| Webhooks {
        mutating: webhook::mutating(valid, bundle),
        validating: webhook::validating(valid, bundle),
    });
    Desired {
        accounts: vec![account::control(valid), account::webhook(valid)],
        cluster_role_bindings: vec![role::control(valid), role::webhook(valid)],
        role_bindings: vec![role::control_in_namespace(valid)],
        webhook_config: config,
        leases: vec![lease::control(valid)],
        services: vec![service::control(valid), service::webhook(valid)],
        deployments: vec![deployment::control(valid), deployment::webhook(valid, &hash)],
        budgets: budget::all(valid),
        policies: vec![policy::rollout_gate(valid), policy::injection_required(valid)],
        policy_bindings: vec![
            policy::rollout_gate_binding(valid),
            policy::injection_required_binding(valid),
        ],
        webhooks,
    }
}

#[cfg(test)]
mod tests;
