//! The roots a workload trusts.

use std::fmt;

use sha2::{Digest, Sha256};

/// The trust bundle: the roots that make a certificate one of this mesh.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trust {
    /// The number of the decision that made the bundle; a proxy never returns to a lower one.
    pub decision: u64,
    /// The roots, each a DER certificate.
    pub anchors: Vec<Anchor>,
}

/// A root certificate in DER.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Anchor(pub Vec<u8>);

/// The SHA-256 of something that must be recognised, not read: a bundle, or a certificate's issuer.
#[derive(Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Trust {
    /// The bundle's fingerprint: over the anchors' fingerprints in order, so that two bundles of
    /// the same roots are equal however they are listed.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_bundle(self.anchors.iter().map(Anchor::fingerprint))
    }
}

impl Anchor {
    /// The certificate's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0)
    }
}

impl Fingerprint {
    /// The fingerprint of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The fingerprint of the bundle of anchors that have these.
    #[must_use]
    pub fn of_bundle(anchors: impl IntoIterator<Item = Self>) -> Self {
        let mut anchors: Vec<_> = anchors.into_iter().collect();
        anchors.sort_unstable();
        anchors.dedup();
        let mut digest = Sha256::new();
        for Self(bytes) in anchors {
            digest.update(bytes);
        }
        Self(digest.finalize().into())
    }

    /// The first eight bytes in hexadecimal: enough for a person to tell two apart.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(16).collect()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.short())
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Anchor({})", self.fingerprint().short())
    }
}
