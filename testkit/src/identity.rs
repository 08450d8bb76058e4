//! Who an application says it is: the name, version and pod that its answers carry.

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that names the version that answered.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("x-version");
const SERVICE_HEADER: HeaderName = HeaderName::from_static("x-service");
/// Followed by the name of a service.
const VERSIONS_PREFIX: &str = "x-version-";
const POD_HEADER: HeaderName = HeaderName::from_static("x-pod");

/// The flags of it, the same for every application.
#[derive(Args, Clone, Debug)]
pub struct IdentityArgs {
    /// The version in answers and in the header x-version
    #[arg(long, env = "TESTKIT_VERSION", default_value = "v1")]
    pub version: String,
    /// The name of the pod in answers; by default the name of the host, which in a pod is the same
    #[arg(long, env = "POD_NAME", default_value = "", hide_default_value = true)]
    pub pod: String,
}

impl IdentityArgs {
    /// The identity of a service of this name.
    #[must_use]
    pub fn named(self, name: &str) -> Identity {
        let pod = if self.pod.is_empty() { host_name() } else { self.pod };
        Identity { name: name.to_owned(), version: self.version, pod }
    }
}

/// Nothing where the kernel does not say.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Who an application is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The name of the service.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The pod it runs in.
    pub pod: String,
}

impl Identity {
    /// Marks an answer with who gave it. What cannot stand in a header is left out.
    ///
    /// `x-version` is of the service that answered; `x-version-NAME` also survives being relayed.
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
        sign_version(headers, &self.name, &self.version);
    }
}

/// Says which version of `service` had a part in an answer.
pub(crate) fn sign_version(headers: &mut HeaderMap, service: &str, version: &str) {
    let name = format!("{VERSIONS_PREFIX}{service}").parse::<HeaderName>();
    if let (Ok(name), Ok(version)) = (name, HeaderValue::from_str(version)) {
        headers.insert(name, version);
    }
}

/// Copies the versions of all that had a part in an answer to the answer made of it.
pub(crate) fn relay_versions(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, version) in from {
        if name.as_str().starts_with(VERSIONS_PREFIX) {
            to.insert(name.clone(), version.clone());
        }
    }
}
