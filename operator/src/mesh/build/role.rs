//! Bindings to the roles that ship with the installation: the operator binds them and holds none.

use api::names;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject};

use super::label::{global, local};
use crate::mesh::valid::Valid;

pub(super) fn control(valid: &Valid) -> ClusterRoleBinding {
    cluster_wide(valid, names::CONTROL)
}

pub(super) fn webhook(valid: &Valid) -> ClusterRoleBinding {
    cluster_wide(valid, names::WEBHOOK)
}

/// What the control plane may do in the mesh's own namespace: read the CA's Secret.
pub(super) fn control_in_namespace(valid: &Valid) -> RoleBinding {
    RoleBinding {
        metadata: local(valid, names::CONTROL),
        role_ref: role("Role", names::CONTROL),
        subjects: Some(vec![account(valid, names::CONTROL)]),
    }
}

fn cluster_wide(valid: &Valid, name: &str) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: global(valid, name),
        role_ref: role("ClusterRole", name),
        subjects: Some(vec![account(valid, name)]),
    }
}

fn role(kind: &str, name: &str) -> RoleRef {
    let api_group = "rbac.authorization.k8s.io".to_owned();
    RoleRef { api_group, kind: kind.to_owned(), name: name.to_owned() }
}

fn account(valid: &Valid, name: &str) -> Subject {
    Subject {
        api_group: None,
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        namespace: Some(valid.spec.namespace.0.clone()),
    }
}
