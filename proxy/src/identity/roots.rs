//! Which roots prove the control plane: those in use, or the ones that the pod was started with.
//!
//! The two are tried in turn. What is in use follows control's decisions at once, but a proxy that
//! was frozen or cut off while the roots changed holds none that are still good; the file that
//! kubelet keeps up to date does.

use std::{io, path::PathBuf};

use model::trust::{Anchor, Trust};
use runtime::{clock::Clock, tls};

use super::{Identity, renewal::leads_to};

/// Where roots come from.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The file with the bundle of the ConfigMap.
    pub file: PathBuf,
    /// What is in use.
    pub identity: Identity,
}

/// Why there are no roots.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there.
    #[error("failed to read the trust bundle {path}")]
    Read {
        /// Where it should be.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no trust bundle.
    #[error("the trust bundle {path} is no use")]
    Parse {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        source: tls::Error,
    },
}

impl Roots {
    /// The roots for an attempt after `failures` others.
    pub(crate) async fn after(&self, failures: u32) -> Result<Trust, Error> {
        match self.identity.current() {
            Some(material) if failures.is_multiple_of(2) => Ok(Trust::clone(&material.trust)),
            Some(_) | None => self.bootstrap().await,
        }
    }

    /// Whether the bundle of the ConfigMap vouches no more for the certificate in use, as after the
    /// mesh was made anew. Then control takes it no more than any peer does, and there is no use in
    /// trying again with it. It is said once of each certificate, whose generation is `told` then:
    /// who signs may be away, and is not to be asked as often as control is tried.
    pub(crate) async fn disown(&self, clock: &Clock, told: &mut Option<u64>) -> bool {
        let current = self.identity.current();
        let Some(material) = current.filter(|material| *told != Some(material.generation)) else {
            return false;
        };
        let bundle = self.bootstrap().await;
        let disowned = bundle.is_ok_and(|bundle| !leads_to(&material.chain, &bundle, clock));
        if disowned {
            *told = Some(material.generation);
        }
        disowned
    }

    async fn bootstrap(&self) -> Result<Trust, Error> {
        let path = || self.file.display().to_string();
        let pem = tokio::fs::read(&self.file).await;
        let pem = pem.map_err(|source| Error::Read { path: path(), source })?;
        let anchors = tls::certificates_from_pem(&pem);
        let anchors = anchors.map_err(|source| Error::Parse { path: path(), source })?;
        let anchors = anchors.into_iter().map(|anchor| Anchor(anchor.to_vec())).collect();
        // Any decision of control's comes after what the pod was started with.
        Ok(Trust { decision: 0, anchors })
    }
}
