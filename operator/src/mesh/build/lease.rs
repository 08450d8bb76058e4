//! The Lease by which one control replica writes statuses. It is made here, so that it is the
//! mesh's own and goes with it; replicas only take and renew it, which is no business of ours.

use api::names;
use k8s_openapi::api::coordination::v1::Lease;

use super::label::local;
use crate::mesh::valid::Valid;

pub(super) fn control(valid: &Valid) -> Lease {
    Lease { metadata: local(valid, names::CONTROL), ..Lease::default() }
}
