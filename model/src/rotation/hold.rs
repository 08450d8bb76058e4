//! What a rotation asks to be held, and what it waits for.

use super::{Drain, Phase, Rotation, Seen, Which};
use crate::{acks::Proof, trust::Fingerprint};

/// What is to be held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hold {
    /// The roots that proxies and control trust.
    pub trusted: Vec<Which>,
    /// The roots that a starting pod trusts: the ConfigMap `serin-trust`.
    pub bootstrap: Vec<Which>,
    /// Who signs leaves. Proxies whose leaf another signed are to renew it now.
    pub signing: Which,
    /// Who signs control's own certificate.
    pub serving: Which,
    /// The number of this bundle.
    pub decision: u64,
    /// What is to become of the roots' keys.
    pub vault: Vault,
    /// How many live proxies, or control replicas, have done what the phase asks for. Absent while
    /// that is not known, and where nothing is asked.
    pub proof: Option<Proof>,
    /// Why it does not go on, if it waits for something.
    pub waiting: Option<Waiting>,
    /// What happened in this turn.
    pub transition: Option<Transition>,
}

/// What is to become of the roots' keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vault {
    /// They stay as they are.
    Keep,
    /// A next authority is to be made, with a key of its own.
    MakeNext,
    /// The next authority becomes the active one, and the active one is destroyed.
    Promote,
    /// The next authority is destroyed.
    DiscardNext,
}

/// What a rotation waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// The next authority's keys.
    NextAuthority,
    /// What was asked for to be written.
    Applied,
    /// Control replicas that have not told what they know.
    Control,
    /// Live proxies that have not acknowledged the bundle.
    Bundles(Proof),
    /// Live proxies whose leaf is of the issuer that is left.
    Leaves(Proof),
    /// Control replicas that serve with a certificate of the issuer that is left.
    Serving(Proof),
    /// The keys that are left to be destroyed.
    Vault,
}

/// What happened in a turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transition {
    /// A rotation began.
    Started,
    /// All live proxies trust both roots; leaves are signed by the next.
    Trusted,
    /// All live proxies hold such leaves; control takes certificates like them.
    Issued,
    /// Control has them; the root that is left is no longer trusted.
    Served,
    /// No live proxy trusts it.
    Drained,
    /// Its key is gone.
    Retired,
    /// It was aborted and goes back.
    Aborted,
    /// It went back: the next authority's key is gone.
    Restored,
    /// The next authority is gone, nobody knows why. Only the active one is trusted.
    NextLost,
    /// Somebody else gave a higher number; this bundle has a higher one now.
    Renumbered,
}

impl Transition {
    /// The reason of its event.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Started => "RotationStarted",
            Self::Trusted => "RotationTrusted",
            Self::Issued => "RotationIssued",
            Self::Served => "RotationServed",
            Self::Drained => "RotationDrained",
            Self::Retired => "RotationRetired",
            Self::Aborted => "RotationAborted",
            Self::Restored => "RotationRestored",
            Self::NextLost => "RotationNextLost",
            Self::Renumbered => "RotationRenumbered",
        }
    }

    /// The same in a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Started => "a new root was made; proxies learn to trust it beside the old one",
            Self::Trusted => {
                "every live proxy trusts both roots; certificates are signed by the new issuer"
            }
            Self::Issued => {
                "every live proxy holds a certificate of the new issuer; the control plane takes its own"
            }
            Self::Served => {
                "the control plane serves with the new issuer; proxies stop trusting the old root"
            }
            Self::Drained => "no live proxy trusts the old root any more",
            Self::Retired => "the old root's key is destroyed",
            Self::Aborted => "the rotation is taken back: the old root stays",
            Self::Restored => "the rotation was taken back; the new root's key is destroyed",
            Self::NextLost => "the new root vanished from its Secret; the old one stays",
            Self::Renumbered => {
                "another operator numbered a trust bundle higher; this one was numbered above it"
            }
        }
    }

    /// Whether a person should look.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        match self {
            Self::Aborted | Self::NextLost | Self::Renumbered => true,
            Self::Started
            | Self::Trusted
            | Self::Issued
            | Self::Served
            | Self::Drained
            | Self::Retired
            | Self::Restored => false,
        }
    }
}

impl Waiting {
    /// Its name in status.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NextAuthority => "MakingRoot",
            Self::Applied => "Writing",
            Self::Control => "ControlUnknown",
            Self::Bundles(_) => "ProxiesLackBundle",
            Self::Leaves(_) => "ProxiesLackLeaf",
            Self::Serving(_) => "ControlLacksLeaf",
            Self::Vault => "DestroyingRoot",
        }
    }

    /// What it waits for, as a person reads it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let of = |proof: &Proof, what: &str| {
            format!("{} of {} {what}, not yet {}", proof.synced, proof.total, proof.names())
        };
        match self {
            Self::NextAuthority => "a new root is being made".to_owned(),
            Self::Applied => "Secrets, trust bundles and status are being written".to_owned(),
            Self::Control => "not all control replicas have told what they know".to_owned(),
            Self::Bundles(proof) => of(proof, "proxies acknowledged the trust bundle"),
            Self::Leaves(proof) => of(proof, "proxies hold a certificate of the new issuer"),
            Self::Serving(proof) => of(proof, "control replicas serve with the new issuer"),
            Self::Vault => "the key of the root that was left is being destroyed".to_owned(),
        }
    }

    /// Who has done what it waits for, if it waits for somebody.
    #[must_use]
    pub const fn proof(&self) -> Option<&Proof> {
        match self {
            Self::Bundles(proof) | Self::Leaves(proof) | Self::Serving(proof) => Some(proof),
            Self::NextAuthority | Self::Applied | Self::Control | Self::Vault => None,
        }
    }
}

impl Rotation {
    /// What this state asks for.
    pub(super) fn hold(&self, due: bool, seen: &Seen, transition: Option<Transition>) -> Hold {
        let signing = self.phase.change().map_or(Which::Active, |change| change.signing);
        let serving = self.phase.change().map_or(Which::Active, |change| change.serving);
        Hold {
            trusted: self.phase.trusted(),
            bootstrap: self.phase.bootstrap(),
            signing,
            serving,
            decision: self.decision,
            vault: self.vault(due, seen, transition.is_none()),
            proof: self.proof(seen),
            waiting: self.waiting(due, seen),
            transition,
        }
    }

    /// A key is destroyed only in a turn that found everything written that says so.
    fn vault(&self, due: bool, seen: &Seen, settled: bool) -> Vault {
        match (&self.phase, &seen.next) {
            (Phase::Idle, None) if due => Vault::MakeNext,
            (Phase::Idle, Some(_)) if settled && !due => Vault::DiscardNext,
            (Phase::Retired(change), Some(_)) if settled && seen.applied => match change.to {
                Which::Next => Vault::Promote,
                Which::Active => Vault::DiscardNext,
            },
            (Phase::Idle | Phase::Retired(_), _)
            | (Phase::TrustBoth(_) | Phase::Issuing(_) | Phase::Draining(..), _) => Vault::Keep,
        }
    }

    /// Who has done what the phase asks for, where that is known.
    pub(super) fn proof(&self, seen: &Seen) -> Option<Proof> {
        let issuer = |which: Which| match which {
            Which::Active => Some(seen.active.issuer),
            Which::Next => seen.next.map(|next| next.issuer),
        };
        match &self.phase {
            Phase::Idle | Phase::Retired(_) => None,
            Phase::TrustBoth(_) | Phase::Draining(_, Drain::Dropping) => {
                let bundle = Some(self.bundle(seen)?);
                Some(seen.proxies.as_ref()?.prove(|held| held.bundle == bundle))
            }
            Phase::Issuing(change) => {
                let issuer = Some(issuer(change.to)?);
                Some(seen.proxies.as_ref()?.prove(|held| held.issuer == issuer))
            }
            Phase::Draining(change, Drain::Serving) => {
                let issuer = Some(issuer(change.to)?);
                Some(seen.control.as_ref()?.prove(|serves| *serves == issuer))
            }
        }
    }

    /// The fingerprint of what is trusted.
    fn bundle(&self, seen: &Seen) -> Option<Fingerprint> {
        let root = |which: Which| match which {
            Which::Active => Some(seen.active.root),
            Which::Next => seen.next.map(|next| next.root),
        };
        let roots: Option<Vec<_>> = self.phase.trusted().into_iter().map(root).collect();
        roots.map(Fingerprint::of_bundle)
    }

    fn waiting(&self, due: bool, seen: &Seen) -> Option<Waiting> {
        match &self.phase {
            Phase::Idle => due.then_some(Waiting::NextAuthority),
            Phase::Retired(_) if seen.applied => Some(Waiting::Vault),
            _ if !seen.applied => Some(Waiting::Applied),
            phase => {
                let Some(proof) = self.proof(seen) else { return Some(Waiting::Control) };
                Some(match phase {
                    Phase::Issuing(_) => Waiting::Leaves(proof),
                    Phase::Draining(_, Drain::Serving) => Waiting::Serving(proof),
                    _ => Waiting::Bundles(proof),
                })
            }
        }
    }
}
