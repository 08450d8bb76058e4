//! Serin's admission webhook: gives pods their proxy.
//!
//! The decision and the patch are pure ([`inject`]); `serinctl inject` calls the same function
//! offline. Around it sit the reading of an AdmissionReview ([`review`]), the server ([`serve`])
//! and the little that the webhook knows of the cluster ([`facts`]), which is watched and never
//! asked for during a request.
//!
//! What is absent: any call to the API server on the path of a request, and any operation but `add`
//! in a patch.

pub mod facts;
pub mod inject;
pub mod review;
pub mod serve;
pub mod settings;
pub mod validate;
