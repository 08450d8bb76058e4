//! What control signs with: the content of the CA Secret, parsed and checked, and the leaves made
//! of it.
//!
//! The operator decides what is in the Secret and when it changes; control only uses the newest
//! content that makes sense. It never sees a root's key.

pub mod secret;

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::{
    identity::SpiffeId,
    trust::{Anchor, Fingerprint, Trust},
};
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber,
};
use runtime::tls::{self, Credentials};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The newest content of the CA Secret that made sense; nothing until there was one.
pub type Authorities = watch::Receiver<Option<Arc<Authority>>>;

/// Everything control takes from the CA Secret.
#[derive(Debug)]
pub struct Authority {
    /// Signs proxies' certificates.
    pub issuer: Issuer,
    /// Signs control's own.
    pub serving: Issuer,
    /// What the mesh trusts.
    pub trust: Arc<Trust>,
}

/// An intermediate that signs leaves.
pub struct Issuer {
    chain: Vec<CertificateDer<'static>>,
    signer: rcgen::Issuer<'static, KeyPair>,
    not_after: SystemTime,
    fingerprint: Fingerprint,
}

/// Why the Secret's content, or a leaf made of it, is no good.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something that must be in the Secret is not.
    #[error("the key {key} is missing")]
    Missing {
        /// The Secret's key.
        key: String,
    },
    /// A value is not what its key says.
    #[error("the value of {key} cannot be used")]
    Unusable {
        /// The Secret's key.
        key: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Certificate and key are not a pair.
    #[error("the certificate in {key} is not of the key beside it")]
    Mismatch {
        /// The Secret's key of the certificate.
        key: String,
    },
    /// The issuer is no longer valid, or not long enough to be worth it.
    #[error("the issuer expires too soon to sign anything")]
    Expired,
    /// The certificate cannot be made.
    #[error("cannot sign a certificate")]
    Sign(#[source] rcgen::Error),
}

impl Authority {
    /// The authority that a Secret's data describes.
    ///
    /// # Errors
    /// Which part of it is missing or wrong. What was used before stays in use then.
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, Error> {
        let issuer = Issuer::read(data, "issuer")?;
        let serving = Issuer::read(data, "serving-issuer")?;
        let anchors = tls::certificates_from_pem(value(data, "trust.pem")?)
            .map_err(|source| unusable("trust.pem", source))?;
        let anchors = anchors.into_iter().map(|der| Anchor(der.to_vec())).collect();
        let decision = std::str::from_utf8(value(data, "decision")?)
            .map_err(|source| unusable("decision", source))?;
        let decision = decision.trim().parse().map_err(|source| unusable("decision", source))?;
        Ok(Self { issuer, serving, trust: Arc::new(Trust { decision, anchors }) })
    }
}

impl Issuer {
    fn read(data: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<Self, Error> {
        let (crt, key) = (format!("{name}.crt"), format!("{name}.key"));
        let chain = tls::certificates_from_pem(value(data, &crt)?)
            .map_err(|source| unusable(&crt, source))?;
        let pem =
            std::str::from_utf8(value(data, &key)?).map_err(|source| unusable(&key, source))?;
        let pair = KeyPair::from_pem(pem).map_err(|source| unusable(&key, source))?;
        let own = chain.first().ok_or_else(|| Error::Missing { key: crt.clone() })?;
        if !is_pair(own, &pair) {
            return Err(Error::Mismatch { key: crt });
        }
        let fingerprint = Fingerprint::of(own);
        let not_after = earliest_end(&chain).ok_or_else(|| Error::Mismatch { key: crt.clone() })?;
        let signer =
            rcgen::Issuer::from_ca_cert_der(own, pair).map_err(|source| unusable(&crt, source))?;
        Ok(Self { signer, not_after, fingerprint, chain })
    }

    /// Of the issuer's own certificate: what proxies report of their leaf.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// A certificate for `identity` and `key`, leaf first, then this issuer. It begins a minute
    /// ago, because clocks differ, and ends after `lifetime` or with the issuer.
    ///
    /// # Errors
    /// If the issuer has expired, or the certificate cannot be made.
    pub fn sign(
        &self,
        identity: &SpiffeId,
        key: &impl PublicKeyData,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Vec<CertificateDer<'static>>, Error> {
        let end = (now + lifetime).min(self.not_after);
        if end <= now + SHORTEST {
            return Err(Error::Expired);
        }
        let params = leaf(identity, now - SKEW, end)?;
        let leaf = params.signed_by(key, &self.signer).map_err(Error::Sign)?;
        Ok(std::iter::once(leaf.der().clone()).chain(self.chain.iter().cloned()).collect())
    }

    /// A fresh key with a certificate for it.
    ///
    /// # Errors
    /// If no key can be made, or as [`Issuer::sign`].
    pub fn credentials(
        &self,
        identity: &SpiffeId,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Credentials, Error> {
        let pair = KeyPair::generate().map_err(Error::Sign)?;
        let chain = self.sign(identity, &pair, lifetime, now)?;
        let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        Ok(Credentials { chain, key })
    }
}

/// What a workload's certificate says (X509-SVID, sections 2 to 4): one URI name, no subject, no
/// authority.
fn leaf(
    identity: &SpiffeId,
    begin: SystemTime,
    end: SystemTime,
) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = identity.to_string().try_into().map_err(Error::Sign)?;
    params.subject_alt_names = vec![SanType::URI(name)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial());
    params.not_before = begin.into();
    params.not_after = end.into();
    Ok(params)
}

/// At least 64 random bits, positive (CA/Browser Forum Baseline Requirements, section 7.1).
fn serial() -> SerialNumber {
    let [first, rest @ ..]: [u8; 16] = rand::random();
    let mut bytes = vec![first & 0x7f];
    bytes.extend(rest);
    SerialNumber::from(bytes)
}

fn is_pair(certificate: &CertificateDer<'_>, pair: &KeyPair) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| {
        parsed.public_key().subject_public_key.data.as_ref() == pair.public_key_raw()
    })
}

/// When the first certificate of the chain ends.
fn earliest_end(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
    let ends = chain.iter().map(|der| {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        u64::try_from(parsed.validity().not_after.timestamp()).ok()
    });
    let first = ends.collect::<Option<Vec<_>>>()?.into_iter().min()?;
    Some(UNIX_EPOCH + Duration::from_secs(first))
}

fn value<'a>(data: &'a BTreeMap<String, Vec<u8>>, key: &str) -> Result<&'a [u8], Error> {
    data.get(key).map(Vec::as_slice).ok_or_else(|| Error::Missing { key: key.to_owned() })
}

fn unusable(key: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Unusable { key: key.to_owned(), source: source.into() }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// How far clocks may differ.
const SKEW: Duration = Duration::from_secs(60);

/// A leaf that would end sooner than this is not worth signing.
const SHORTEST: Duration = Duration::from_secs(60);

#[cfg(test)]
pub(crate) mod tests;
