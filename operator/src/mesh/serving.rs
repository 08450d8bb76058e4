//! The webhook's serving certificate: made when there is none, renewed before it expires, and
//! always below a CA that the API server was told of before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::names;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::valid::Valid;
use crate::{
    ca::{
        mint::{self, Validity},
        vault::Data,
    },
    mesh::meta,
    world::SecretFacts,
};

/// What to do about the webhook's certificate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Serving {
    /// The CAs that the API server is to trust, in PEM.
    pub(super) bundle: Vec<u8>,
    /// The first certificate there is, to be handed out before anything asks for it.
    pub(super) first: Option<Secret>,
    /// A certificate that replaces another, to be handed out when its CA is trusted.
    pub(super) renewed: Option<Secret>,
}

impl Serving {
    /// Keeps what is held if it is good for a while, makes another if not.
    pub(super) fn decide(
        valid: &Valid,
        held: Option<&SecretFacts>,
        now: SystemTime,
    ) -> Result<Self, mint::Error> {
        let good = held.filter(|facts| expires(&facts.data).is_some_and(|at| at > now + RENEWAL));
        if let Some(SecretFacts { data, owner }) = good {
            let bundle = data.get(CA).map(|value| value.0.clone()).unwrap_or_default();
            let adopted = owner.as_deref() == Some(valid.owner.uid.as_str());
            let adopt = (!adopted).then(|| secret(valid, data.clone()));
            return Ok(Self { bundle, first: None, renewed: adopt });
        }
        let (pair, ca) = mint::server(&hosts(valid), Validity { now, lifetime: LIFETIME })?;
        let former = held.and_then(|facts| first_certificate(&facts.data));
        let bundle = format!("{ca}{}", former.unwrap_or_default()).into_bytes();
        let data = [
            (CERTIFICATE.to_owned(), ByteString(pair.certificate.into_bytes())),
            (KEY.to_owned(), ByteString(pair.key.into_bytes())),
            (CA.to_owned(), ByteString(bundle.clone())),
        ];
        let secret = Some(secret(valid, data.into()));
        let (first, renewed) = if held.is_some() { (None, secret) } else { (secret, None) };
        Ok(Self { bundle, first, renewed })
    }
}

fn secret(valid: &Valid, data: Data) -> Secret {
    let namespace = Some(valid.spec.namespace.0.as_str());
    Secret {
        metadata: meta(&valid.owner, names::WEBHOOK_TLS_SECRET, namespace),
        data: Some(data),
        type_: Some("kubernetes.io/tls".to_owned()),
        ..Secret::default()
    }
}

/// The names that the API server calls the webhook by.
fn hosts(valid: &Valid) -> Vec<String> {
    let host = format!("{}.{}.svc", names::WEBHOOK, valid.spec.namespace.0);
    vec![host.clone(), format!("{host}.cluster.local")]
}

/// When the certificate expires; nothing if what is held is not whole.
fn expires(data: &Data) -> Option<SystemTime> {
    data.get(KEY).filter(|key| !key.0.is_empty())?;
    data.get(CA).filter(|ca| !ca.0.is_empty())?;
    let chain = runtime::tls::certificates_from_pem(&data.get(CERTIFICATE)?.0).ok()?;
    let (_, parsed) = X509Certificate::from_der(chain.first()?).ok()?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The newest CA of those held: the one that the certificate in use is below.
fn first_certificate(data: &Data) -> Option<String> {
    let text = String::from_utf8(data.get(CA)?.0.clone()).ok()?;
    let end = text.find(END)?;
    text.get(..end + END.len()).map(|first| format!("{first}\n"))
}

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const CA: &str = "ca.crt";
const END: &str = "-----END CERTIFICATE-----";
const LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long before its end a certificate is replaced.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests;
