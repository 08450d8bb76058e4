//! The mesh's TLS: who is accepted as a peer, and configurations that are swapped, never changed.
//!
//! A peer is accepted if its chain leads to one of our anchors, it is valid now, and it carries
//! exactly one URI name (X509-SVID, section 2) that the caller accepts. Host names play no part. A
//! resumed session calls no verifier, so callers ask [`PeerVerifier::check`] after every handshake
//! as well.

use std::sync::Arc;

use rustls::{
    ClientConfig, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

mod verifier;

pub use verifier::{Accept, Error, PeerVerifier, Usage, uri_san};

/// A certificate chain, leaf first, and its key.
#[derive(Debug)]
pub struct Credentials {
    /// Leaf first, without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

/// Whether a server insists on a client certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientAuth {
    /// No certificate, no connection.
    Required,
    /// A certificate is checked if there is one; the caller decides what a peer without may do.
    Optional,
    /// None is asked for.
    None,
}

/// The one crypto provider of all our processes: aws-lc-rs, with X25519MLKEM768 preferred.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Makes [`provider`] the process' default, for libraries that ask for one. Safe to call twice.
pub fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // Losing the race against another caller leaves an equal provider in place.
        drop(aws_lc_rs::default_provider().install_default());
    }
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Credentials {
    /// Credentials from PEM, as they lie in a Secret.
    ///
    /// # Errors
    /// If there is no certificate, or no key, in the text.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        use rustls_pki_types::pem::PemObject as _;
        let chain = certificates_from_pem(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| Error::Pem { source })?;
        Ok(Self { chain, key })
    }
}

/// All certificates of a PEM text.
///
/// # Errors
/// If the text is malformed or holds no certificate.
pub fn certificates_from_pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    use rustls_pki_types::pem::PemObject as _;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(|source| Error::Pem { source })?;
    if all.is_empty() { Err(Error::NoCertificate) } else { Ok(all) }
}

/// A server's configuration: TLS 1.3 only.
///
/// # Errors
/// If chain and key do not belong together.
pub fn server_config(
    credentials: Credentials,
    peers: PeerVerifier,
    auth: ClientAuth,
    alpn: &[&[u8]],
) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| Error::Rustls { source })?;
    let verifier: Arc<dyn rustls::server::danger::ClientCertVerifier> = match auth {
        ClientAuth::Required => Arc::new(peers),
        ClientAuth::Optional => Arc::new(peers.optional()),
        ClientAuth::None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = builder
        .with_client_cert_verifier(verifier)
        .with_single_cert(credentials.chain, credentials.key)
        .map_err(|source| Error::Rustls { source })?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(|source| Error::Rustls { source })?;
    Ok(config)
}

/// A client's configuration: TLS 1.3 only, with a certificate if there is one.
///
/// # Errors
/// If chain and key do not belong together.
pub fn client_config(
    credentials: Option<Credentials>,
    peers: PeerVerifier,
    alpn: &[&[u8]],
) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| Error::Rustls { source })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(peers));
    let mut config = match credentials {
        Some(Credentials { chain, key }) => {
            builder.with_client_auth_cert(chain, key).map_err(|source| Error::Rustls { source })?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests;
