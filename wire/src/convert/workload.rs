//! What is known of a peer.

use model::workload::Workload;

use super::{
    address::{
        decode_identity, decode_ip, decode_port, decode_revision, encode_identity, encode_ip,
        encode_revision, text,
    },
    shared::Shared,
};
use crate::{
    invalid::{At, Invalid, each},
    limit, proto,
};

impl From<&Workload> for proto::Workload {
    fn from(peer: &Workload) -> Self {
        Self {
            ip: encode_ip(peer.address.to_canonical()),
            pod: text(&peer.pod),
            namespace: text(&peer.namespace),
            workload: text(&peer.workload),
            app: text(&peer.app),
            version: text(&peer.version),
            canonical_name: text(&peer.canonical_name),
            canonical_revision: text(&peer.canonical_revision),
            revision: encode_revision(peer.revision.as_ref()),
            service_account: text(&peer.service_account),
            identity: encode_identity(peer.identity.as_ref()),
            node: text(&peer.node),
            zone: text(&peer.zone),
            plain_ports: peer.plain_ports.iter().copied().map(Into::into).collect(),
            keeps_case: peer.keeps_case,
        }
    }
}

impl TryFrom<proto::Workload> for Workload {
    type Error = Invalid;

    fn try_from(peer: proto::Workload) -> Result<Self, Invalid> {
        let plain_ports = each(peer.plain_ports, decode_port).at("plain_ports")?;
        let mut workload = Self {
            address: decode_ip(&peer.ip).at("ip")?,
            pod: limit::name(peer.pod).at("pod")?,
            namespace: limit::name(peer.namespace).at("namespace")?,
            workload: limit::name(peer.workload).at("workload")?,
            app: limit::name(peer.app).at("app")?,
            version: limit::name(peer.version).at("version")?,
            canonical_name: limit::name(peer.canonical_name).at("canonical_name")?,
            canonical_revision: limit::name(peer.canonical_revision).at("canonical_revision")?,
            revision: decode_revision(peer.revision).at("revision")?,
            service_account: limit::name(peer.service_account).at("service_account")?,
            identity: decode_identity(&peer.identity).at("identity")?,
            plain_ports: plain_ports.into_iter().collect(),
            keeps_case: peer.keeps_case,
            node: limit::name(peer.node).at("node")?,
            zone: limit::name(peer.zone).at("zone")?,
        };
        share(&mut workload);
        Ok(workload)
    }
}

/// Most workloads are named alike in many ways.
fn share(workload: &mut Workload) {
    let mut names = Shared::default();
    names.put(&mut workload.workload);
    names.put(&mut workload.app);
    names.put(&mut workload.canonical_name);
    names.put(&mut workload.service_account);
    names.put(&mut workload.version);
    names.put(&mut workload.canonical_revision);
}
