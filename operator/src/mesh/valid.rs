//! What is asked of a mesh, checked: from here on nothing about it can be wrong.

use std::net::IpAddr;

use api::mesh::{MeshInstallation, MeshInstallationSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use model::identity::TrustDomain;

/// A mesh that can be built.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Valid {
    /// The mesh's own reference, which everything that is made for it carries.
    pub(crate) owner: OwnerReference,
    /// What was asked for.
    pub(crate) spec: MeshInstallationSpec,
    /// The trust domain of every identity.
    pub(crate) trust_domain: TrustDomain,
    /// Where images come from.
    pub(crate) images: String,
    /// The version to run.
    pub(crate) version: String,
}

/// What this operator is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Operator {
    /// The namespace it runs in, where its rights are.
    pub(crate) namespace: String,
    /// Where images come from.
    pub(crate) images: String,
    /// Its version.
    pub(crate) version: String,
}

/// Why a mesh cannot be built. A person must change it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error(
        "spec.namespace is {wanted:?}, but this operator has its rights in {own:?}: leave spec.namespace at \
         {own:?}, or install the operator in {wanted:?} (kustomize's `namespace`)"
    )]
    Namespace { wanted: String, own: String },
    #[error(
        "spec.version is {wanted:?}, and this operator installs {own}: apply the config/install of {wanted} \
         first, or remove spec.version"
    )]
    Version { wanted: String, own: String },
    #[error("spec.trustDomain: {0}")]
    TrustDomain(#[from] model::identity::Error),
    #[error("spec.network.cidrs: {0:?} is not a CIDR such as 10.0.0.0/8")]
    Cidr(String),
    #[error("spec.ca.leafLifetime is {found}: certificates must live for 10m to 30d")]
    LeafLifetime { found: String },
    #[error("spec.ca.rootLifetime is {found}: it must be at least ten times spec.ca.leafLifetime")]
    RootLifetime { found: String },
    #[error("the object has no uid, so nothing can be owned by it")]
    Anonymous,
}

impl Invalid {
    /// Its name in conditions.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Namespace { .. } => "OtherNamespace",
            Self::Version { .. } => "OtherVersion",
            Self::TrustDomain(_) => "InvalidTrustDomain",
            Self::Cidr(_) => "InvalidCidr",
            Self::LeafLifetime { .. } | Self::RootLifetime { .. } => "InvalidLifetime",
            Self::Anonymous => "Anonymous",
        }
    }
}

/// Checks what `mesh` asks of `operator`.
pub(crate) fn validate(mesh: &MeshInstallation, operator: &Operator) -> Result<Valid, Invalid> {
    let spec = &mesh.spec;
    let own = || operator.namespace.clone();
    if spec.namespace.0 != operator.namespace {
        return Err(Invalid::Namespace { wanted: spec.namespace.0.clone(), own: own() });
    }
    if let Some(wanted) = spec.version.as_ref().filter(|wanted| **wanted != operator.version) {
        return Err(Invalid::Version { wanted: wanted.clone(), own: operator.version.clone() });
    }
    if let Some(cidr) = spec.network.cidrs.iter().find(|cidr| !is_cidr(cidr)) {
        return Err(Invalid::Cidr(cidr.clone()));
    }
    check_lifetimes(spec)?;
    let owner = mesh.owner_ref(&()).ok_or(Invalid::Anonymous)?;
    Ok(Valid {
        owner,
        spec: spec.clone(),
        trust_domain: spec.trust_domain.0.parse()?,
        images: operator.images.clone(),
        version: operator.version.clone(),
    })
}

fn check_lifetimes(spec: &MeshInstallationSpec) -> Result<(), Invalid> {
    let (leaf, root) = (spec.ca.leaf_lifetime, spec.ca.root_lifetime);
    if leaf.0.as_secs() < SHORTEST_LEAF_SECONDS || leaf.0.as_secs() > LONGEST_LEAF_SECONDS {
        return Err(Invalid::LeafLifetime { found: leaf.to_string() });
    }
    if root.0 < leaf.0 * 10 {
        return Err(Invalid::RootLifetime { found: root.to_string() });
    }
    Ok(())
}

fn is_cidr(text: &str) -> bool {
    let parts = text.split_once('/');
    let parsed = parts.and_then(|(a, p)| Some((a.parse::<IpAddr>().ok()?, p.parse::<u8>().ok()?)));
    parsed.is_some_and(|(address, prefix)| prefix <= if address.is_ipv4() { 32 } else { 128 })
}

const SHORTEST_LEAF_SECONDS: u64 = 600;
const LONGEST_LEAF_SECONDS: u64 = 30 * 24 * 3600;

#[cfg(test)]
mod tests;
