//! What a vault means to the others: the Secret that the control plane signs with, and the trust
//! bundle. Pure.

use k8s_openapi::ByteString;
use model::{
    rotation::{Hold, Which},
    trust::{Anchor, Fingerprint, Trust},
};

use super::{
    mint::{Authority, Pair},
    vault::{Broken, Data, Root, Vault},
};

/// What is handed out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Issue {
    /// The content of the Secret `serin-ca`.
    pub(crate) secret: Data,
    /// What a starting pod trusts, in PEM.
    pub(crate) bootstrap: String,
    /// The trust bundle.
    pub(crate) trust: Trust,
    /// What signs leaves.
    pub(crate) issuer: Pair,
}

impl Vault {
    /// One of the authorities; the active one while there is no next.
    pub(crate) fn authority(&self, which: Which) -> &Authority {
        match which {
            Which::Active => &self.active,
            Which::Next => self.next.as_ref().unwrap_or(&self.active),
        }
    }

    /// What follows from `hold`.
    pub(crate) fn issue(&self, hold: &Hold) -> Result<Issue, Broken> {
        let (pem, anchors) = self.bundle(&hold.trusted)?;
        let (bootstrap, _) = self.bundle(&hold.bootstrap)?;
        let issuer = &self.authority(hold.signing).issuer;
        let serving = &self.authority(hold.serving).issuer;
        let text = |key: &str, value: &str| (key.to_owned(), ByteString(value.as_bytes().to_vec()));
        let secret = [
            text("issuer.crt", &issuer.certificate),
            text("issuer.key", &issuer.key),
            text("serving-issuer.crt", &serving.certificate),
            text("serving-issuer.key", &serving.key),
            text(api::names::TRUST_KEY, &pem),
            text(DECISION, &hold.decision.to_string()),
        ];
        let trust = Trust { decision: hold.decision, anchors };
        Ok(Issue { secret: secret.into(), bootstrap, trust, issuer: issuer.clone() })
    }

    /// The roots of some authorities, each once, in PEM and in DER.
    fn bundle(&self, which: &[Which]) -> Result<(String, Vec<Anchor>), Broken> {
        let (mut pem, mut anchors) = (String::new(), Vec::new());
        for which in which {
            let authority = self.authority(*which);
            let root = Root::of(authority)?;
            if !anchors.contains(&root.anchor) {
                anchors.push(root.anchor);
                pem.push_str(&authority.root.certificate);
            }
        }
        Ok((pem, anchors))
    }
}

impl Issue {
    /// The fingerprint of what signs leaves.
    pub(crate) fn issuer_fingerprint(&self) -> Option<Fingerprint> {
        let chain = runtime::tls::certificates_from_pem(self.issuer.certificate.as_bytes());
        chain.ok()?.first().map(|certificate| Fingerprint::of(certificate))
    }
}

/// The decision that a Secret `serin-ca` was written for.
pub(crate) fn decision_of(secret: &Data) -> Option<u64> {
    std::str::from_utf8(&secret.get(DECISION)?.0).ok()?.trim().parse().ok()
}

const DECISION: &str = "decision";

#[cfg(test)]
mod tests;
