//! Warnings about configuration that the CRDs' own rules cannot see.
//!
//! Nothing is refused here: the rules in the CRDs do that, and they hold when the webhook is down.

use api::{canary::CanaryRollout, mesh::MeshInstallation};
use kube::core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionResponse, AdmissionReview},
};

use crate::review::{self, Error};

/// Answers for an object of any kind that is sent here.
///
/// # Errors
/// If the body is not an AdmissionReview.
pub fn answer(body: &[u8]) -> Result<AdmissionReview<DynamicObject>, Error> {
    let kind: Kind = serde_json::from_slice(body)?;
    let response = match kind.request.kind.kind.as_str() {
        "MeshInstallation" => {
            let request = review::read::<MeshInstallation>(body)?;
            let warnings = request.object.as_ref().map(mesh_warnings).unwrap_or_default();
            warn(AdmissionResponse::from(&request), warnings)
        }
        "CanaryRollout" => {
            let request = review::read::<CanaryRollout>(body)?;
            let warnings = request.object.as_ref().map(rollout_warnings).unwrap_or_default();
            warn(AdmissionResponse::from(&request), warnings)
        }
        // Of other kinds there is nothing to say here.
        _ => allow(body)?,
    };
    Ok(response.into_review())
}

/// Whatever the object is: it need not even parse as one of ours.
fn allow(body: &[u8]) -> Result<AdmissionResponse, Error> {
    let review: AdmissionReview<DynamicObject> = serde_json::from_slice(body)?;
    let request: AdmissionRequest<DynamicObject> =
        review.try_into().map_err(|_none| Error::NoRequest)?;
    Ok(AdmissionResponse::from(&request))
}

fn warn(mut response: AdmissionResponse, warnings: Vec<String>) -> AdmissionResponse {
    response.warnings = (!warnings.is_empty()).then_some(warnings);
    response
}

fn mesh_warnings(mesh: &MeshInstallation) -> Vec<String> {
    let mut warnings = Vec::new();
    if mesh.spec.control_plane.replicas < 2 {
        warnings.push("spec.controlPlane.replicas: with one replica no new pod joins the mesh while it restarts".to_owned());
    }
    warnings
}

fn rollout_warnings(rollout: &CanaryRollout) -> Vec<String> {
    let spec = &rollout.spec;
    let mut warnings = Vec::new();
    if spec.target_ref.api_version != "apps/v1" {
        let version = &spec.target_ref.api_version;
        warnings.push(format!(
            "spec.targetRef.apiVersion: {version:?} is not apps/v1, where Deployments are"
        ));
    }
    if spec.slo.max_error_ratio >= 1.0 {
        warnings.push("spec.slo.maxErrorRatio of 1 accepts a release that always fails".to_owned());
    }
    warnings
}

#[derive(serde::Deserialize)]
struct Kind {
    request: Request,
}

#[derive(serde::Deserialize)]
struct Request {
    kind: kube::core::GroupVersionKind,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_that_there_is_nothing_to_say_of_is_allowed() {
        let kind =
            json!({ "group": "gateway.networking.k8s.io", "version": "v1", "kind": "HTTPRoute" });
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "705ab4f5", "kind": kind, "name": "r", "namespace": "shop",
                "resource": { "group": "gateway.networking.k8s.io", "version": "v1", "resource": "httproutes" },
                "operation": "CREATE", "userInfo": {}, "dryRun": false, "oldObject": null,
                "object": {
                    "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                    "metadata": { "name": "r" }, "spec": {},
                },
            },
        });
        let answer = answer(review.to_string().as_bytes()).unwrap();
        let response = answer.response.unwrap();
        assert!(response.allowed);
        assert_eq!(response.uid, "705ab4f5");
    }
}
