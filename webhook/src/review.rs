//! Reads an AdmissionReview and writes its answer (admission.k8s.io/v1).
//!
//! What is not an AdmissionReview gets a 400 and harms nothing; what is one always gets an answer.

use api::webhook_config::WebhookConfig;
use k8s_openapi::api::core::v1::Pod;
use kube::core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation},
};
use tracing::{info, warn};

use crate::inject::{Circumstances, Injection, inject};

/// Why a body is no AdmissionReview that we can answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not parse.
    #[error("the body is not an AdmissionReview of admission.k8s.io/v1")]
    Parse(#[from] serde_json::Error),
    /// It holds no request.
    #[error("the AdmissionReview holds no request")]
    NoRequest,
    /// It is of a version we do not speak.
    #[error("AdmissionReview version {0:?} is not admission.k8s.io/v1")]
    Version(String),
}

/// How a review of a pod ended: a closed set for metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Outcome {
    /// The pod got its proxy.
    Injected,
    /// The pod stays as it is.
    Left,
    /// The pod is refused.
    Refused,
}

/// The request in a body.
///
/// # Errors
/// If the body is not an AdmissionReview with a request.
pub fn read<T>(body: &[u8]) -> Result<AdmissionRequest<T>, Error>
where
    T: kube::Resource<DynamicType = ()> + serde::de::DeserializeOwned,
{
    let review: AdmissionReview<T> = serde_json::from_slice(body)?;
    if review.types.api_version != "admission.k8s.io/v1" || review.types.kind != "AdmissionReview" {
        return Err(Error::Version(review.types.api_version));
    }
    review.try_into().map_err(|_none| Error::NoRequest)
}

/// Answers for a pod.
pub fn answer(
    request: &AdmissionRequest<Pod>,
    config: &WebhookConfig,
    about: impl FnOnce(&Pod, &str) -> Circumstances,
) -> (AdmissionReview<DynamicObject>, Outcome) {
    let response = AdmissionResponse::from(request);
    let (Operation::Create, Some(pod)) = (&request.operation, &request.object) else {
        return (response.into_review(), Outcome::Left);
    };
    let namespace = request.namespace.clone().or_else(|| pod.metadata.namespace.clone());
    let around = about(pod, namespace.as_deref().unwrap_or("default"));
    let (response, outcome) = respond(response, pod, config, &around);
    let name = pod.metadata.name.as_deref().or(pod.metadata.generate_name.as_deref());
    let dry_run = request.dry_run;
    info!(
        namespace = around.namespace,
        name,
        ?outcome,
        gated = around.gated,
        dry_run,
        "pod reviewed"
    );
    (response.into_review(), outcome)
}

fn respond(
    mut response: AdmissionResponse,
    pod: &Pod,
    config: &WebhookConfig,
    around: &Circumstances,
) -> (AdmissionResponse, Outcome) {
    match inject(pod, config, around) {
        Ok(Injection::Patch(patched)) => {
            let warnings = patched.warnings;
            match response.clone().with_patch(patched.patch) {
                Ok(mut response) => {
                    response.warnings = (!warnings.is_empty()).then_some(warnings);
                    (response, Outcome::Injected)
                }
                Err(error) => {
                    warn!(%error, "patch has no JSON form");
                    (
                        response.deny("Serin could not write its patch: report this"),
                        Outcome::Refused,
                    )
                }
            }
        }
        Ok(Injection::Leave(why)) => {
            response.warnings = why.warning().map(|warning| vec![format!("serin: {warning}")]);
            (response, Outcome::Left)
        }
        Err(refused) => (response.deny(format!("serin: {refused}")), Outcome::Refused),
    }
}

impl Outcome {
    /// The name in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Left => "left",
            Self::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests;
