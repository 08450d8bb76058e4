//! Who an application says it is: the name, version and pod that its answers carry.

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that names the version that answered.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("x-version");
const SERVICE_HEADER: HeaderName = HeaderName::from_static("x-service");
const POD_HEADER: HeaderName = HeaderName::from_static("x-pod");

/// The flags of it, the same for every application.
#[derive(Args, Clone, Debug)]
pub struct Identity {
    /// The name of the service in answers
    #[arg(long, env = "TESTKIT_NAME", default_value = "testkit")]
    pub name: String,
    /// The version in answers and in the header x-version
    #[arg(long, env = "TESTKIT_VERSION", default_value = "v1")]
    pub version: String,
    /// The name of the pod in answers
    #[arg(long, env = "POD_NAME", default_value = "", hide_default_value = true)]
    pub pod: String,
}

impl Identity {
    /// Marks an answer with who gave it. What cannot stand in a header is left out.
    pub fn sign(&self, headers: &mut HeaderMap) {
        let marks = [
            (SERVICE_HEADER, &self.name),
            (VERSION_HEADER, &self.version),
            (POD_HEADER, &self.pod),
        ];
        for (header, value) in marks {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(header, value);
            }
        }
    }
}
