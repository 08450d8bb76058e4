//! Service accounts: who control plane and webhook are, to the API server and in the mesh.

use api::names;
use k8s_openapi::api::core::v1::ServiceAccount;

use super::label::local;
use crate::mesh::valid::Valid;

pub(super) fn control(valid: &Valid) -> ServiceAccount {
    ServiceAccount { metadata: local(valid, names::CONTROL), ..ServiceAccount::default() }
}

pub(super) fn webhook(valid: &Valid) -> ServiceAccount {
    ServiceAccount { metadata: local(valid, names::WEBHOOK), ..ServiceAccount::default() }
}
