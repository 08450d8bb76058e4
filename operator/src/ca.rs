//! The certificate authority: its roots, what they sign, and their rotation.

pub(crate) mod mint;
pub(crate) mod vault;
