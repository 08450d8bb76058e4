//! A root, an issuer below it, and what they sign: the CA Secret as the operator writes it.

use std::{collections::BTreeMap, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use runtime::tls::{Credentials, PeerVerifier};
use rustls_pki_types::PrivateKeyDer;

#[derive(Clone)]
pub(crate) struct Root(Arc<Inner>);

struct Inner {
    root: CertifiedIssuer<'static, KeyPair>,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Root {
    pub(crate) fn new() -> Self {
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("root"), key()).unwrap();
        let issuer = CertifiedIssuer::signed_by(authority("issuer"), key(), &root).unwrap();
        Self(Arc::new(Inner { root, issuer }))
    }

    /// The Secret's content when this is the only root.
    pub(crate) fn secret(&self, decision: u64) -> BTreeMap<String, Vec<u8>> {
        self.secret_trusting(decision, &[self])
    }

    /// The Secret's content when these roots are trusted and this one signs.
    pub(crate) fn secret_trusting(
        &self,
        decision: u64,
        trusted: &[&Self],
    ) -> BTreeMap<String, Vec<u8>> {
        let issuer = &self.0.issuer;
        let bundle: String = trusted.iter().map(|root| root.0.root.pem()).collect();
        let pairs = [
            ("issuer.crt", issuer.pem()),
            ("issuer.key", issuer.key().serialize_pem()),
            ("serving-issuer.crt", issuer.pem()),
            ("serving-issuer.key", issuer.key().serialize_pem()),
            ("trust.pem", bundle),
            ("decision", decision.to_string()),
        ];
        pairs.into_iter().map(|(key, text)| (key.to_owned(), text.into_bytes())).collect()
    }

    /// A workload's certificate and key.
    pub(crate) fn leaf(&self, identity: &str) -> Credentials {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(identity.try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0.issuer).unwrap();
        let chain = vec![leaf.der().clone(), self.0.issuer.der().clone()];
        Credentials { chain, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    /// Accepts a peer of this name below this root.
    pub(crate) fn expecting(&self, name: &str) -> PeerVerifier {
        let name = name.to_owned();
        let anchors = [self.0.root.der().as_ref()];
        PeerVerifier::new(anchors, Arc::new(move |seen: &str| seen == name)).unwrap()
    }
}
