//! What a certificate says about itself: until when it holds, and who issued it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::trust::{Fingerprint, Trust};
use runtime::clock::Clock;
use rustls_pki_types::CertificateDer;
use wire::message::Leaf;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Material;

impl Material {
    /// The leaf as it is reported; nothing if it does not parse, which what control signed does.
    #[must_use]
    pub fn leaf(&self) -> Option<Leaf> {
        let leaf = parse(self.chain.first()?)?;
        let issuer = match self.chain.get(1) {
            Some(issuer) => Fingerprint::of(issuer),
            None => issuing_root(&leaf, &self.trust)?,
        };
        Some(Leaf { issuer, not_after: seconds(&leaf) })
    }

    /// Until when the leaf holds.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        let leaf = parse(self.chain.first()?)?;
        Some(UNIX_EPOCH + Duration::from_secs(seconds(&leaf)))
    }

    /// How long the leaf still holds; zero if it holds no more.
    #[must_use]
    pub fn valid_for(&self, clock: &Clock) -> Option<Duration> {
        Some(self.not_after()?.duration_since(clock.now()).unwrap_or(Duration::ZERO))
    }
}

/// Where a leaf comes without its issuer, a root issued it.
fn issuing_root(leaf: &X509Certificate<'_>, trust: &Trust) -> Option<Fingerprint> {
    let issued = |anchor: &&model::trust::Anchor| {
        X509Certificate::from_der(&anchor.0).is_ok_and(|(_, root)| root.subject() == leaf.issuer())
    };
    trust.anchors.iter().find(issued).map(model::trust::Anchor::fingerprint)
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed)
}

fn seconds(leaf: &X509Certificate<'_>) -> u64 {
    u64::try_from(leaf.validity().not_after.timestamp()).unwrap_or(0)
}
