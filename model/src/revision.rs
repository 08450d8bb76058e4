//! The name of one version of a workload: for a Deployment its pod-template-hash.
//!
//! Two workloads may have equal revisions (equal templates hash equally), so a revision means
//! something only beside the owner it belongs to.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A revision's name: not empty, and fit to be a Kubernetes label value.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision(Arc<str>);

impl Revision {
    /// Longest accepted name, in bytes: Kubernetes' bound on label values.
    pub const LONGEST: usize = 63;

    /// Takes a name as it stands in a label.
    ///
    /// # Errors
    /// If the name is empty, too long, or holds a character that no label value may hold.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidRevision> {
        let name = name.into();
        if name.is_empty() {
            return Err(InvalidRevision::Empty);
        }
        if name.len() > Self::LONGEST {
            return Err(InvalidRevision::TooLong { bytes: name.len() });
        }
        match name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
            Some(found) => Err(InvalidRevision::Character { found }),
            None => Ok(Self(name.into())),
        }
    }

    /// The name as it stands in a label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a revision.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidRevision {
    /// Nothing was given.
    #[error("a revision cannot be empty")]
    Empty,
    /// More than [`Revision::LONGEST`] bytes.
    #[error("a revision of {bytes} bytes is longer than a label value may be")]
    TooLong {
        /// The length found.
        bytes: usize,
    },
    /// A character outside the alphabet of label values.
    #[error("a revision cannot hold {found:?}")]
    Character {
        /// The first such character.
        found: char,
    },
}

impl TryFrom<String> for Revision {
    type Error = InvalidRevision;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl std::str::FromStr for Revision {
    type Err = InvalidRevision;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        revision.0.as_ref().to_owned()
    }
}

impl AsRef<str> for Revision {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
