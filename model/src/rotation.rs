//! The rotation of the mesh's root: says what is trusted and who signs, and moves on only with
//! proof.
//!
//! ```text
//! Idle → TrustBoth → Issuing → Draining → Retired → Idle
//! ```
//!
//! | phase | trusted | signs leaves | signs control's own | ends when |
//! |---|---|---|---|---|
//! | TrustBoth | both | old | old | every live proxy acknowledged the bundle of both |
//! | Issuing | both | new | old | every live proxy holds a leaf of the new issuer |
//! | Draining, serving | both | new | new | every control replica serves with it |
//! | Draining, dropping | new | new | new | every live proxy acknowledged the bundle of the new one |
//! | Retired | new | new | new | the old root's key is gone |
//!
//! What a starting pod bootstraps from trusts both until `Retired`, so it finds its way at any
//! moment. At no moment can two live proxies hold certificates that the other does not trust: the
//! tests walk every order in which proxies may follow. Going back is the same way with the roles
//! exchanged.

use serde::{Deserialize, Serialize};

use crate::moment::Moment;

mod hold;
mod seen;
mod turn;

pub use hold::{Hold, Transition, Vault, Waiting};
pub use seen::{Authority, Held, Plan, Seen};

/// A rotation, as it is remembered and written down.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rotation {
    /// The number of the trust bundle. Rises with every change of what is trusted; proxies never
    /// return to a lower one.
    pub decision: u64,
    /// The request that was carried out last, or is being carried out.
    pub handled: Option<Moment>,
    /// Where it stands.
    pub phase: Phase,
}

/// Where a rotation stands.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    /// One root is all there is.
    #[default]
    Idle,
    /// Proxies learn to trust both roots.
    TrustBoth(Change),
    /// Proxies take leaves of the issuer to come.
    Issuing(Change),
    /// What stays behind is let go.
    Draining(Change, Drain),
    /// The root that was left is destroyed.
    Retired(Change),
}

/// One of the two authorities there are during a rotation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Which {
    /// The one that signed when the rotation began.
    Active,
    /// The one that was made for it.
    Next,
}

/// A change from one authority to the other.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Where it goes: back to the active one if it was aborted.
    pub to: Which,
    /// Who signs leaves.
    pub signing: Which,
    /// Who signs control's own certificate.
    pub serving: Which,
    /// Why it began.
    pub cause: Cause,
    /// When it began.
    pub began: Moment,
    /// When the phase began.
    pub since: Moment,
}

/// The parts of draining.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum Drain {
    /// Control replicas take certificates of the issuer to come.
    Serving,
    /// Proxies stop trusting the root that is left.
    Dropping,
}

/// Why a root is replaced.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum Cause {
    /// Somebody asked for it.
    Requested,
    /// It expires soon.
    Expiring,
}

impl Which {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Active => Self::Next,
            Self::Next => Self::Active,
        }
    }
}

impl Phase {
    /// Its name in status.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::TrustBoth(_) => "TrustBoth",
            Self::Issuing(_) => "Issuing",
            Self::Draining(..) => "Draining",
            Self::Retired(_) => "Retired",
        }
    }

    /// The change under way, if one is.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match self {
            Self::Idle => None,
            Self::TrustBoth(change)
            | Self::Issuing(change)
            | Self::Draining(change, _)
            | Self::Retired(change) => Some(change),
        }
    }

    /// Who is trusted, in a fixed order.
    #[must_use]
    pub fn trusted(&self) -> Vec<Which> {
        match self {
            Self::Idle => vec![Which::Active],
            Self::TrustBoth(_) | Self::Issuing(_) | Self::Draining(_, Drain::Serving) => {
                BOTH.to_vec()
            }
            Self::Draining(change, Drain::Dropping) | Self::Retired(change) => vec![change.to],
        }
    }

    /// Who a starting pod trusts before it has spoken to anybody.
    #[must_use]
    pub fn bootstrap(&self) -> Vec<Which> {
        match self {
            Self::Idle => vec![Which::Active],
            Self::TrustBoth(_) | Self::Issuing(_) | Self::Draining(..) => BOTH.to_vec(),
            Self::Retired(change) => vec![change.to],
        }
    }
}

const BOTH: [Which; 2] = [Which::Active, Which::Next];

#[cfg(test)]
mod tests;
