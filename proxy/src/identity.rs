//! Who this proxy is: its certificate, its key and the roots it trusts, always swapped together so
//! that no handshake ever sees half of a change.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwapOption;
use model::{
    identity::SpiffeId,
    trust::{Fingerprint, Trust},
};
use runtime::tls::Credentials;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{Notify, watch};

mod authority;
mod leaf;
mod metrics;
mod renewal;
mod roots;
#[cfg(test)]
mod tests;

pub use self::{
    authority::{Authority, Control, Error, Signing},
    renewal::Renewal,
    roots::{Error as RootsError, Roots},
};

/// A handle on the material in use, shared by all workers.
#[derive(Clone, Debug)]
pub struct Identity {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    material: ArcSwapOption<Material>,
    generation: watch::Sender<u64>,
    /// Someone asked for a new certificate.
    wanted: Notify,
    /// Who signs certificates now, as far as control has said.
    issuer: watch::Sender<Option<Fingerprint>>,
}

/// What a TLS configuration is built from.
pub struct Material {
    /// The identity that the leaf carries.
    pub id: SpiffeId,
    /// The leaf first, without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
    /// The roots that make a peer one of this mesh.
    pub trust: Arc<Trust>,
    /// Rises with every change: what was built from an older generation is out of date.
    pub generation: u64,
}

impl Identity {
    /// A handle that holds nothing yet.
    #[must_use]
    pub fn empty() -> Self {
        let (material, generation) = (ArcSwapOption::empty(), watch::Sender::new(0));
        let (wanted, issuer) = (Notify::new(), watch::Sender::new(None));
        Self { inner: Arc::new(Inner { material, generation, wanted, issuer }) }
    }

    /// The material in use; nothing until the first certificate was signed.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Material>> {
        self.inner.material.load_full()
    }

    /// The generation of the material in use; 0 while there is none.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.generation.subscribe()
    }

    /// Asks for a new certificate, for whoever finds that the present one is not accepted.
    pub fn renew(&self) {
        self.inner.wanted.notify_one();
    }

    /// Says who signs certificates now: one of another issuer is renewed.
    pub fn signed_by(&self, issuer: Fingerprint) {
        self.inner.issuer.send_if_modified(|known| known.replace(issuer) != Some(issuer));
    }

    /// A handle over a certificate that a test made.
    #[must_use]
    pub fn for_tests(
        id: SpiffeId,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        trust: Trust,
    ) -> Self {
        let identity = Self::empty();
        identity.swap(id, chain, key, Arc::new(trust));
        identity
    }

    /// Puts new material in use. Only one task does this in a running proxy; tests may.
    pub fn swap(
        &self,
        id: SpiffeId,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        trust: Arc<Trust>,
    ) {
        self.inner.generation.send_modify(|generation| {
            *generation += 1;
            let material = Material { id, chain, key, trust, generation: *generation };
            self.inner.material.store(Some(Arc::new(material)));
        });
    }
}

impl Material {
    /// Chain and key, to open connections with.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// The key stays out of every log.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, chain, key: _, trust, generation } = self;
        f.debug_struct("Material")
            .field("id", &id.to_string())
            .field("chain", &chain.len())
            .field("trust", &trust.fingerprint())
            .field("generation", generation)
            .finish_non_exhaustive()
    }
}
