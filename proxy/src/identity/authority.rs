//! Where certificates come from: the control plane, asked with the pod's token and a signing
//! request.

use std::{io, path::PathBuf, pin::Pin};

use bytes::Bytes;
use wire::{
    client::{self, IdentityClient, SIGN_DEADLINE},
    message::{SignRequest, SignResponse, Token},
};

use super::roots::{self, Roots};
use crate::control;

/// A signature on its way.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<SignResponse, Error>> + Send + 'a>>;

/// Signs certificates.
pub trait Authority: Send + Sync {
    /// Signs what `csr` (DER) asks for; `failures` attempts before this one came to nothing.
    fn sign(&self, csr: Bytes, failures: u32) -> Signing<'_>;
}

/// The control plane.
#[derive(Clone, Debug)]
pub struct Control {
    /// Where it is.
    pub control: control::Control,
    /// What proves it.
    pub roots: Roots,
    /// Where the service-account token lies. It is read every time, since kubelet replaces it.
    pub token: PathBuf,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to prove control with.
    #[error(transparent)]
    Roots(#[from] roots::Error),
    /// There is no token.
    #[error("failed to read the service-account token {path}")]
    Token {
        /// Where it should be.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// Control was not reached.
    #[error(transparent)]
    Dial(#[from] control::Error),
    /// Control did not sign.
    #[error("control refused to sign a certificate")]
    Refused(#[source] client::Error),
    /// Control took too long.
    #[error("control did not sign in time")]
    Silent,
}

impl Authority for Control {
    fn sign(&self, csr: Bytes, failures: u32) -> Signing<'_> {
        Box::pin(async move {
            let path = || self.token.display().to_string();
            let token = tokio::fs::read_to_string(&self.token).await;
            let token = token.map_err(|source| Error::Token { path: path(), source })?;
            let trust = self.roots.after(failures).await?;
            // Without a certificate of our own: the one at hand may be what is wrong.
            let channel = Box::pin(self.control.dial(None, &trust)).await?;
            let mut client = IdentityClient::new(channel);
            let request = SignRequest { csr, token: Token(token.trim().to_owned()) };
            let signed = tokio::time::timeout(SIGN_DEADLINE, client.sign(request)).await;
            signed.map_err(|_elapsed| Error::Silent)?.map_err(Error::Refused)
        })
    }
}
