//! What a vault means to the others: the Secret that the control plane signs with, and the trust bundle. Pure.

use k8s_openapi::ByteString;
use model::trust::Trust;

use super::{
    mint::{Authority, Pair},
    vault::{Broken, Data, Root, Vault},
};

/// One of the authorities of a vault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    Active,
    Next,
}

/// What is to hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hold {
    /// What leaves are signed with.
    pub(crate) signing: Which,
    /// What the control plane's own certificate is signed with.
    pub(crate) serving: Which,
    /// Which roots are trusted.
    pub(crate) trusted: Vec<Which>,
    /// The number of the decision that this is.
    pub(crate) decision: u64,
}

/// What is handed out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Issue {
    /// The content of the Secret `serin-ca`.
    pub(crate) secret: Data,
    /// The trust bundle in PEM.
    pub(crate) pem: String,
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
        let mut anchors = Vec::new();
        let mut pem = String::new();
        for which in &hold.trusted {
            let authority = self.authority(*which);
            let root = Root::of(authority)?;
            if !anchors.contains(&root.anchor) {
                anchors.push(root.anchor);
                pem.push_str(&authority.root.certificate);
            }
        }
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
        Ok(Issue { secret: secret.into(), pem, trust, issuer: issuer.clone() })
    }
}

/// The decision that a Secret `serin-ca` was written for.
pub(crate) fn decision_of(secret: &Data) -> Option<u64> {
    std::str::from_utf8(&secret.get(DECISION)?.0).ok()?.trim().parse().ok()
}

const DECISION: &str = "decision";

#[cfg(test)]
mod tests;
