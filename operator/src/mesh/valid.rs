//! What is asked of a mesh, checked: from here on nothing about it can be wrong.

use std::{net::IpAddr, time::Duration};

use api::{
    mesh::{MeshInstallation, MeshInstallationSpec, OtlpProtocol, lifetime},
    span::Span,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use model::{
    identity::TrustDomain,
    mesh::{InvalidCollector, Otlp, Tracing},
    weight::{InvalidRatio, Weight},
};

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
    #[error("{rule}; it is {found}")]
    Lifetime { rule: &'static str, found: String },
    #[error("spec.telemetry.tracing.endpoint: {0}")]
    Collector(#[from] InvalidCollector),
    #[error("spec.telemetry.tracing.samplingRatio: {0}")]
    SamplingRatio(#[source] InvalidRatio),
    #[error("spec.telemetry.accessLog.ratio: {0}")]
    LogRatio(#[source] InvalidRatio),
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
            Self::Lifetime { .. } => "InvalidLifetime",
            Self::Collector(_) | Self::SamplingRatio(_) => "InvalidTracing",
            Self::LogRatio(_) => "InvalidAccessLog",
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
    check_tracing(spec)?;
    Weight::from_ratio(spec.telemetry.access_log.ratio).map_err(Invalid::LogRatio)?;
    let (trust_domain, _) = root(spec)?;
    let owner = mesh.owner_ref(&()).ok_or(Invalid::Anonymous)?;
    Ok(Valid {
        owner,
        spec: spec.clone(),
        trust_domain,
        images: operator.images.clone(),
        version: operator.version.clone(),
    })
}

/// What a root is made for: the domain, and how long. The CRD refuses lifetimes that are too long,
/// but keeps one that was stored before it did; such a root lives for as long as one may.
pub(crate) fn root(spec: &MeshInstallationSpec) -> Result<(TrustDomain, Duration), Invalid> {
    check_lifetimes(spec)?;
    let lifetime = spec.ca.root_lifetime.0.min(lifetime::LONGEST_ROOT);
    Ok((spec.trust_domain.0.parse()?, lifetime))
}

fn check_lifetimes(spec: &MeshInstallationSpec) -> Result<(), Invalid> {
    let (leaf, root) = (spec.ca.leaf_lifetime, spec.ca.root_lifetime);
    let refused = |rule, found: Span| Err(Invalid::Lifetime { rule, found: found.to_string() });
    if !lifetime::LEAF.contains(&leaf.0) {
        return refused(lifetime::LEAF_BOUNDS, leaf);
    }
    if root.0 < leaf.0 * lifetime::LEAVES_OF_A_ROOT {
        return refused(lifetime::ROOT_BELOW_LEAVES, root);
    }
    Ok(())
}

fn check_tracing(spec: &MeshInstallationSpec) -> Result<(), Invalid> {
    let Some(tracing) = &spec.telemetry.tracing else { return Ok(()) };
    let protocol = match tracing.protocol {
        OtlpProtocol::Grpc => Otlp::Grpc,
        OtlpProtocol::Http => Otlp::Http,
    };
    let sampling = Weight::from_ratio(tracing.sampling_ratio).map_err(Invalid::SamplingRatio)?;
    Tracing::new(&tracing.endpoint, protocol, sampling)?;
    Ok(())
}

fn is_cidr(text: &str) -> bool {
    let parts = text.split_once('/');
    let parsed = parts.and_then(|(a, p)| Some((a.parse::<IpAddr>().ok()?, p.parse::<u8>().ok()?)));
    parsed.is_some_and(|(address, prefix)| prefix <= if address.is_ipv4() { 32 } else { 128 })
}

#[cfg(test)]
mod tests;
