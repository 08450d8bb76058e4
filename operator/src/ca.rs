//! The certificate authority: its roots, what they sign, and their rotation.
//!
//! A root is made once, for a mesh that never had one. A root that is lost or damaged is a person's
//! business: to make another would cut every running pod off from every new one.

pub(crate) mod bundle;
pub(crate) mod issue;
mod keep;
pub(crate) mod mint;
mod observe;
pub(crate) mod passport;
mod status;
pub(crate) mod vault;

use api::mesh::CaStatus;

pub(crate) use issue::Issue;
pub(crate) use keep::{Inputs, keep};

use crate::mesh::valid::Invalid;

/// What others see of the authority.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    /// What is handed out; nothing until there is a root.
    pub(crate) issue: Option<Issue>,
    /// What is wrong, if something is.
    pub(crate) trouble: Option<Trouble>,
    /// What the mesh's status says.
    pub(crate) status: Option<CaStatus>,
}

/// Why there is no authority, or not the one there should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(
        "Secret serin-ca-root is gone, and root {root} with it: restore it from a backup (without its \
         ownerReferences); pods go on serving until their certificates expire. To start over with a new root, \
         delete the mesh, make it again and restart all meshed pods"
    )]
    Lost { root: String },
    #[error(
        "Secret serin-ca-root cannot be used: {0}. Restore it from a backup; pods go on serving until their \
         certificates expire"
    )]
    Broken(#[from] vault::Broken),
    #[error("Secret serin-ca-root belongs to a mesh that was deleted: waiting until it is gone")]
    Former,
    #[error("cannot write the authority's Secrets: {0}")]
    Write(String),
    #[error("no root is made: {0}")]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Mint(#[from] mint::Error),
}

impl Trouble {
    /// Its name in conditions.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "RootLost",
            Self::Broken(_) => "RootBroken",
            Self::Former => "FormerMesh",
            Self::Write(_) => "SecretNotWritten",
            Self::Invalid(invalid) => invalid.label(),
            Self::Mint(_) => "RootNotMade",
        }
    }

    /// Whether it stays until a person does something.
    pub(crate) const fn is_stalled(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Broken(_) | Self::Invalid(_) => true,
            Self::Former | Self::Write(_) | Self::Mint(_) => false,
        }
    }
}
