//! Serin's Kubernetes API.
//!
//! The custom resources of group `serin.dev`, the foreign kinds that Serin accepts, and every name
//! that users or other controllers may rely on. Doc comments here become the descriptions of the
//! generated CRDs, so they are written for the person who reads `kubectl explain`.
//!
//! What is absent: behaviour, but for the one rule by which labels are read ([`injection`]).
//! Nothing here talks to a cluster.

#![warn(missing_docs)]

pub mod canary;
pub mod gateway;
pub mod injection;
pub mod mesh;
pub mod names;
pub mod span;
pub mod webhook_config;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

/// Every CRD of ours, with the name of the file in `config/crd/` that holds it.
#[must_use]
pub fn crds() -> Vec<(&'static str, CustomResourceDefinition)> {
    vec![
        ("serin.dev_canaryrollouts.yaml", canary::CanaryRollout::crd()),
        ("serin.dev_meshinstallations.yaml", mesh::MeshInstallation::crd()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crd_has_a_structural_schema_with_a_status() {
        for (file, crd) in crds() {
            let version = crd.spec.versions.first().unwrap();
            assert!(version.schema.is_some(), "{file}");
            let status = version.subresources.as_ref().and_then(|sub| sub.status.as_ref());
            assert!(status.is_some(), "{file}");
        }
    }

    #[test]
    fn an_empty_mesh_is_the_default_mesh() {
        let mesh: mesh::MeshInstallationSpec = serde_json::from_str("{}").unwrap();
        assert_eq!(mesh, mesh::MeshInstallationSpec::default());
        assert_eq!(mesh.namespace.0, names::SYSTEM_NAMESPACE);
    }

    #[test]
    fn the_samples_are_what_they_say_they_are() {
        let mesh = include_str!("../../config/samples/mesh.yaml");
        let mesh: mesh::MeshInstallation = serde_saphyr::from_str(mesh).unwrap();
        assert_eq!(mesh.spec, mesh::MeshInstallationSpec::default());
        let rollout = include_str!("../../config/samples/canaryrollout.yaml");
        let rollout: canary::CanaryRollout = serde_saphyr::from_str(rollout).unwrap();
        assert!(!rollout.spec.steps.is_empty());
    }
}
