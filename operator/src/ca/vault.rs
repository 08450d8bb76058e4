//! The roots and what signs in their names, as they lie in the Secret `serin-ca-root`, which only
//! the operator may read.
//!
//! It is the one place where a key is kept that cannot be made again, so it is read strictly: what
//! is incomplete is an error, never a reason to make something new.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use model::{
    rotation::Rotation,
    trust::{Anchor, Fingerprint},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::mint::{Authority, Pair};

/// All authorities there are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Vault {
    /// What signs, or did until a rotation is over.
    pub(crate) active: Authority,
    /// What is to sign, during a rotation.
    pub(crate) next: Option<Authority>,
    /// How far the rotation is: written together with the keys that it is about.
    pub(crate) rotation: Rotation,
}

/// What is known of a root without its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Root {
    /// The certificate.
    pub(crate) anchor: Anchor,
    /// The certificate of what signs in its name.
    pub(crate) issuer: Fingerprint,
    /// When it was made, in Unix seconds.
    pub(crate) made: i64,
    /// When it expires, in Unix seconds.
    pub(crate) expires: i64,
}

/// Why the Secret is no vault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("it has no {0}")]
    Missing(String),
    #[error("its {0} cannot be read")]
    Unreadable(String),
}

/// The content of a Secret.
pub(crate) type Data = BTreeMap<String, ByteString>;

impl Vault {
    /// Reads the Secret's content.
    pub(crate) fn read(data: &Data) -> Result<Self, Broken> {
        let next = data.keys().any(|key| key.starts_with(NEXT));
        let active = read_authority(data, "")?;
        let next = next.then(|| read_authority(data, NEXT)).transpose()?;
        let rotation = data.get(ROTATION).map(|value| serde_json::from_slice(&value.0)).transpose();
        let rotation = rotation.map_err(|_why| Broken::Unreadable(ROTATION.to_owned()))?;
        Ok(Self { active, next, rotation: rotation.unwrap_or_default() })
    }

    /// The Secret's content.
    pub(crate) fn write(&self) -> Data {
        let mut data = write_authority(&self.active, "");
        if let Some(next) = &self.next {
            data.extend(write_authority(next, NEXT));
        }
        let rotation = serde_json::to_vec(&self.rotation).unwrap_or_default();
        data.insert(ROTATION.to_owned(), ByteString(rotation));
        data
    }
}

impl Root {
    /// What is known of the root of `authority`.
    pub(crate) fn of(authority: &Authority) -> Result<Self, Broken> {
        let root = der(&authority.root, "root.crt")?;
        let issuer = der(&authority.issuer, "issuer.crt")?;
        let unreadable = |_| Broken::Unreadable("root.crt".to_owned());
        let (_, parsed) = X509Certificate::from_der(&root).map_err(unreadable)?;
        let expires = parsed.validity().not_after.timestamp();
        let made = parsed.validity().not_before.timestamp() + SKEW_SECONDS;
        let (anchor, issuer) = (Anchor(root.to_vec()), Fingerprint::of(&issuer));
        Ok(Self { anchor, issuer, made, expires })
    }

    /// The root's fingerprint.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.anchor.fingerprint()
    }
}

fn read_authority(data: &Data, prefix: &str) -> Result<Authority, Broken> {
    let authority = Authority {
        root: read_pair(data, &format!("{prefix}root"))?,
        issuer: read_pair(data, &format!("{prefix}issuer"))?,
    };
    Root::of(&authority)?;
    Ok(authority)
}

fn read_pair(data: &Data, name: &str) -> Result<Pair, Broken> {
    let text = |key: String| {
        let value = data.get(&key).filter(|value| !value.0.is_empty());
        let value = value.ok_or_else(|| Broken::Missing(key.clone()))?;
        String::from_utf8(value.0.clone()).map_err(|_not_text| Broken::Unreadable(key))
    };
    let (certificate, key) = (text(format!("{name}.crt"))?, text(format!("{name}.key"))?);
    let pair = Pair { certificate, key };
    der(&pair, &format!("{name}.crt"))?;
    let readable = rcgen::KeyPair::from_pem(&pair.key);
    readable.map_err(|_why| Broken::Unreadable(format!("{name}.key")))?;
    Ok(pair)
}

fn write_authority(authority: &Authority, prefix: &str) -> Data {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let Authority { root, issuer } = authority;
    [
        (format!("{prefix}root.crt"), bytes(&root.certificate)),
        (format!("{prefix}root.key"), bytes(&root.key)),
        (format!("{prefix}issuer.crt"), bytes(&issuer.certificate)),
        (format!("{prefix}issuer.key"), bytes(&issuer.key)),
    ]
    .into()
}

fn der(pair: &Pair, name: &str) -> Result<rustls_pki_types::CertificateDer<'static>, Broken> {
    let all = runtime::tls::certificates_from_pem(pair.certificate.as_bytes());
    let first = all.ok().and_then(|all| all.into_iter().next());
    first.ok_or_else(|| Broken::Unreadable(name.to_owned()))
}

const NEXT: &str = "next-";
const ROTATION: &str = "rotation.json";
/// Certificates are dated back by this much: [`super::mint`].
const SKEW_SECONDS: i64 = 300;

#[cfg(test)]
mod tests;
