//! The certificates of a measurement, as files that every proxy reads: ECDSA P-256 throughout.
//!
//! | file | holds |
//! |---|---|
//! | `NAME/chain.pem`, `NAME/key.pem` | a certificate, leaf first, and its key |
//! | `NAME/both.pem` | the two in one, as haproxy wants them |
//! | `NAME/root.pem` | the root that all trust |

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use model::trust::{Anchor, Trust};
use proxy::identity::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use runtime::tls::{Credentials, PeerVerifier, certificates_from_pem};

/// Who signs a leaf.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Depth {
    /// The root, so that a chain is one certificate.
    Root,
    /// An intermediate below it, as in a mesh.
    Intermediate,
}

/// Writes certificates for `names`, all under one root, into folders named after them.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, names: &[&str], depth: Depth) -> Result<()> {
    let root = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate()?)?;
    let below = match depth {
        Depth::Root => None,
        Depth::Intermediate => Some(CertifiedIssuer::signed_by(
            authority("intermediate"),
            KeyPair::generate()?,
            &root,
        )?),
    };
    let issuer = below.as_ref().unwrap_or(&root);
    for name in names {
        let key = KeyPair::generate()?;
        let mut chain = leaf(name)?.signed_by(&key, issuer)?.pem();
        if let Some(below) = &below {
            chain.push_str(&below.pem());
        }
        let (folder, key) = (folder.join(name), key.serialize_pem());
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("root.pem"), root.pem())?;
        fs::write(folder.join("both.pem"), format!("{chain}{key}"))?;
        fs::write(folder.join("chain.pem"), chain)?;
        fs::write(folder.join("key.pem"), key)?;
    }
    Ok(())
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn leaf(name: &str) -> Result<CertificateParams> {
    let mut params = named(name);
    params.subject_alt_names = vec![SanType::URI(lab::id(name).to_string().try_into()?)];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

/// OpenSSL takes a certificate whose issuer is called as it is itself for one that it signed
/// itself.
fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// What one party holds, read from its folder.
#[derive(Debug)]
pub struct Holder {
    name: String,
    /// Its chain and key.
    pub credentials: Credentials,
    anchors: Vec<Anchor>,
}

impl Holder {
    /// Reads a folder that [`write()`] wrote.
    ///
    /// # Errors
    /// If it holds something else.
    pub fn read(folder: &Path) -> Result<Self> {
        let read = |name| fs::read(folder.join(name)).with_context(|| format!("no {name}"));
        let credentials = Credentials::from_pem(&read("chain.pem")?, &read("key.pem")?)?;
        let anchors = certificates_from_pem(&read("root.pem")?)?;
        let anchors = anchors.into_iter().map(|anchor| Anchor(anchor.to_vec())).collect();
        let name = folder.file_name().context("a folder without a name")?;
        Ok(Self { name: name.to_string_lossy().into_owned(), credentials, anchors })
    }

    /// The same as a proxy of the mesh holds it.
    #[must_use]
    pub fn identity(self) -> Identity {
        let Credentials { chain, key } = self.credentials;
        let trust = Trust { decision: 1, anchors: self.anchors };
        Identity::for_tests(lab::id(&self.name), chain, key, trust)
    }

    /// What accepts whoever the root vouches for.
    ///
    /// # Errors
    /// If the root is none.
    pub fn verifier(&self) -> Result<PeerVerifier> {
        let anchors = self.anchors.iter().map(|anchor| anchor.0.as_slice());
        Ok(PeerVerifier::new(anchors, Arc::new(|_: &str| true))?)
    }
}
