//! Who a workload is: the SPIFFE id that its certificate carries.
//!
//! The form is `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`, as Istio writes it.
//! Parsing is strict, because an id is compared to decide who may talk to whom.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SPIFFE trust domain: lower-case letters, digits, `.`, `-` and `_`, at most 255 bytes
/// (SPIFFE-ID, section 2.1).
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustDomain(Arc<str>);

/// A workload's identity.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId(Arc<Names>);

/// Every endpoint and every peer has an identity, and most have the same few: they are shared.
#[derive(Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
struct Names {
    trust_domain: TrustDomain,
    namespace: Box<str>,
    service_account: Box<str>,
}

/// Why a text is no identity of this mesh's form.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The trust domain is empty, too long, or has a character outside `a-z 0-9 . - _`.
    #[error("trust domain {0:?} is not made of a-z, 0-9, '.', '-' and '_'")]
    TrustDomain(String),
    /// The text does not have the form of a SPIFFE id of a Kubernetes service account.
    #[error("{0:?} is not of the form spiffe://<trust domain>/ns/<namespace>/sa/<service account>")]
    Form(String),
}

impl TrustDomain {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SpiffeId {
    /// The identity of `service_account` in `namespace`.
    ///
    /// # Errors
    /// [`Error::Form`] if either name is empty or has a character that Kubernetes names cannot
    /// have.
    pub fn new(
        trust_domain: TrustDomain,
        namespace: &str,
        service_account: &str,
    ) -> Result<Self, Error> {
        if is_kubernetes_name(namespace) && is_kubernetes_name(service_account) {
            let (namespace, service_account) = (namespace.into(), service_account.into());
            return Ok(Self(Arc::new(Names { trust_domain, namespace, service_account })));
        }
        Err(Error::Form(format!("spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}")))
    }

    /// The trust domain the identity belongs to.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.0.trust_domain
    }

    /// The Kubernetes namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The Kubernetes service account.
    #[must_use]
    pub fn service_account(&self) -> &str {
        &self.0.service_account
    }

    /// The server name a client sends in its ClientHello when it expects this identity:
    /// `<32 hex digits of SHA-256>.mesh.serin`, so that TLS sessions are cached per identity.
    #[must_use]
    pub fn server_name(&self) -> String {
        let mut name = String::with_capacity(32 + SERVER_NAME_SUFFIX.len());
        for byte in Sha256::digest(self.to_string()).iter().take(16) {
            name.push_str(&format!("{byte:02x}"));
        }
        name.push_str(SERVER_NAME_SUFFIX);
        name
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TrustDomain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if !text.is_empty() && text.len() <= 255 && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(Error::TrustDomain(text.to_owned()))
        }
    }
}

impl TryFrom<String> for TrustDomain {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<TrustDomain> for String {
    fn from(domain: TrustDomain) -> Self {
        domain.0.as_ref().to_owned()
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Names { trust_domain, namespace, service_account } = &*self.0;
        write!(f, "spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}")
    }
}

impl FromStr for SpiffeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let form = || Error::Form(text.to_owned());
        let rest = text.strip_prefix("spiffe://").ok_or_else(form)?;
        let (domain, path) = rest.split_once("/ns/").ok_or_else(form)?;
        let (namespace, account) = path.split_once("/sa/").ok_or_else(form)?;
        Self::new(domain.parse()?, namespace, account)
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.to_string()
    }
}

/// Names of namespaces and service accounts: RFC 1123 labels and subdomains.
fn is_kubernetes_name(name: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    !name.is_empty() && name.len() <= 253 && name.bytes().all(allowed)
}

const SERVER_NAME_SUFFIX: &str = ".mesh.serin";

#[cfg(test)]
mod tests;
