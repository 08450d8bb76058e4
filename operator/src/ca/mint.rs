//! Makes keys and certificates: roots, what they sign with, leaves. ECDSA P-256 throughout.
//!
//! What is made is PEM; when it is used, and whether it is kept, is decided elsewhere.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::identity::{SpiffeId, TrustDomain};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};

/// A certificate and its key, in PEM.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A root and the intermediate that signs in its name, so that the root's key is never where leaves
/// are made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Authority {
    pub(crate) root: Pair,
    pub(crate) issuer: Pair,
}

/// Why a certificate could not be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot make {what}: {source}")]
pub(crate) struct Error {
    what: &'static str,
    source: rcgen::Error,
}

/// From when to when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    pub(crate) now: SystemTime,
    pub(crate) lifetime: Duration,
}

/// A new root of `domain`, and its intermediate.
pub(crate) fn authority(domain: &TrustDomain, validity: Validity) -> Result<Authority, Error> {
    let error = |source| Error { what: "a root", source };
    let root_key = new_key().map_err(error)?;
    let root =
        ca_params(domain, "root", BasicConstraints::Constrained(1), validity).map_err(error)?;
    let root_certificate = root.self_signed(&root_key).map_err(error)?;
    let signer = Issuer::from_params(&root, &root_key);
    let issuer_key = new_key().map_err(error)?;
    let issuer = ca_params(domain, "issuer", BasicConstraints::Constrained(0), validity);
    let issuer = issuer.map_err(error)?;
    let issuer_certificate = issuer.signed_by(&issuer_key, &signer).map_err(error)?;
    Ok(Authority {
        root: Pair { certificate: root_certificate.pem(), key: root_key.serialize_pem() },
        issuer: Pair { certificate: issuer_certificate.pem(), key: issuer_key.serialize_pem() },
    })
}

/// A leaf for `id`, with its intermediate behind it.
pub(crate) fn leaf(issuer: &Pair, id: &SpiffeId, validity: Validity) -> Result<Pair, Error> {
    let error = |source| Error { what: "a leaf", source };
    let name = SanType::URI(id.to_string().try_into().map_err(error)?);
    let usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    let mut params = leaf_params(vec![name], usages, validity).map_err(error)?;
    params.use_authority_key_identifier_extension = true;
    let signing = KeyPair::from_pem(&issuer.key).map_err(error)?;
    let signer = Issuer::from_ca_cert_pem(&issuer.certificate, signing).map_err(error)?;
    let key = new_key().map_err(error)?;
    let certificate = params.signed_by(&key, &signer).map_err(error)?;
    let chain = format!("{}{}", certificate.pem(), issuer.certificate);
    Ok(Pair { certificate: chain, key: key.serialize_pem() })
}

/// A server's certificate for DNS names, and the certificate of the CA that signed it. The CA's key
/// is forgotten: it signs once.
pub(crate) fn server(names: &[String], validity: Validity) -> Result<(Pair, String), Error> {
    let error = |source| Error { what: "a serving certificate", source };
    let ca_key = new_key().map_err(error)?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name = common_name("Serin webhook");
    make_ca(&mut ca, BasicConstraints::Constrained(0), validity).map_err(error)?;
    let ca_certificate = ca.self_signed(&ca_key).map_err(error)?;
    let signer = Issuer::from_params(&ca, &ca_key);
    let dns = |name: &String| name.clone().try_into().map(SanType::DnsName);
    let sans = names.iter().map(dns).collect::<Result<Vec<_>, _>>().map_err(error)?;
    let params = leaf_params(sans, vec![ExtendedKeyUsagePurpose::ServerAuth], validity);
    let params = params.map_err(error)?;
    let key = new_key().map_err(error)?;
    let certificate = params.signed_by(&key, &signer).map_err(error)?;
    let pair = Pair { certificate: certificate.pem(), key: key.serialize_pem() };
    Ok((pair, ca_certificate.pem()))
}

/// The key itself never shows.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

fn ca_params(
    domain: &TrustDomain,
    role: &str,
    constraints: BasicConstraints,
    validity: Validity,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    // Two roots of one domain must not share a name: chain building matches issuers by name first.
    let serial: u64 = rand::random();
    params.distinguished_name = common_name(&format!("Serin {role} {domain} {serial:016x}"));
    make_ca(&mut params, constraints, validity)?;
    Ok(params)
}

fn make_ca(
    params: &mut CertificateParams,
    constraints: BasicConstraints,
    validity: Validity,
) -> Result<(), rcgen::Error> {
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    last(params, validity)
}

fn leaf_params(
    names: Vec<SanType>,
    usages: Vec<ExtendedKeyUsagePurpose>,
    validity: Validity,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages;
    last(&mut params, validity)?;
    Ok(params)
}

/// Fails for an end that a certificate cannot write down.
fn last(
    params: &mut CertificateParams,
    Validity { now, lifetime }: Validity,
) -> Result<(), rcgen::Error> {
    let end = now.checked_add(lifetime).filter(|end| *end < UNIX_EPOCH + CALENDAR);
    params.serial_number = Some(SerialNumber::from_slice(&rand::random::<[u8; 16]>()));
    params.not_before = (now - SKEW).into();
    params.not_after = end.ok_or(rcgen::Error::Time)?.into();
    Ok(())
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// How far a peer's clock may be behind ours.
const SKEW: Duration = Duration::from_secs(300);
/// From 1970 to the year 9999, the last that fits.
const CALENDAR: Duration = Duration::from_secs(253_370_764_800);

#[cfg(test)]
mod tests;
