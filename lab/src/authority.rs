//! Roots, and the identities that they vouch for.

use model::{
    identity::SpiffeId,
    trust::{Anchor, Trust},
};
use proxy::identity::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::resources::id;

/// A root and what it signs.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A root of its own.
    #[must_use]
    pub fn fresh() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What those who trust it hold.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        Anchor(self.0.der().to_vec())
    }

    /// A certificate for `id` and its key.
    #[must_use]
    pub fn sign(&self, id: &SpiffeId) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(id.to_string().try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        (vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// The identity `name`, which trusts what this authority signs.
    #[must_use]
    pub fn identity(&self, name: &str) -> Identity {
        self.identity_trusting(name, &[self])
    }

    /// The identity `name`, signed here, which trusts what `trusted` sign.
    #[must_use]
    pub fn identity_trusting(&self, name: &str, trusted: &[&Self]) -> Identity {
        let (chain, key) = self.sign(&id(name));
        Identity::for_tests(id(name), chain, key, trust(trusted))
    }
}

/// Trust in what these sign.
#[must_use]
pub fn trust(authorities: &[&Authority]) -> Trust {
    Trust { decision: 1, anchors: authorities.iter().map(|authority| authority.anchor()).collect() }
}
