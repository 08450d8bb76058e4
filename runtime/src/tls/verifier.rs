//! Checks a peer's chain and name, for both sides of a handshake.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime, pem};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
};

/// Says whether a peer of this name is the one that is wanted.
pub type Accept = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Accepts peers whose chain leads to one of the anchors and whose URI name is the one that is
/// wanted.
#[derive(Clone)]
pub struct PeerVerifier {
    anchors: Arc<Vec<TrustAnchor<'static>>>,
    accept: Accept,
    provider: Arc<CryptoProvider>,
    mandatory: bool,
}

/// Why a peer, or what we have ourselves, is no good.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate does not parse.
    #[error("a certificate does not parse")]
    Malformed,
    /// A root cannot be used as one.
    #[error("a root certificate cannot be used")]
    Anchor {
        /// What is wrong with it.
        #[source]
        source: webpki::Error,
    },
    /// The chain does not lead to an anchor, or is not valid now.
    #[error("the peer's chain is not trusted")]
    Chain {
        /// What is wrong with it.
        #[source]
        source: webpki::Error,
    },
    /// Not exactly one URI name (X509-SVID, section 2).
    #[error("a workload's certificate carries exactly one URI name, this one carries {found}")]
    Names {
        /// How many there are.
        found: usize,
    },
    /// The peer is somebody else.
    #[error("the peer is {name}, which is not the one expected")]
    Unexpected {
        /// Who it is.
        name: String,
    },
    /// The text holds no certificate.
    #[error("no certificate found")]
    NoCertificate,
    /// The text is no PEM.
    #[error("not PEM")]
    Pem {
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// Chain and key cannot be used together.
    #[error("the TLS configuration cannot be used")]
    Rustls {
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
}

impl PeerVerifier {
    /// A verifier of peers below `anchors` (DER) whose name `accept` accepts.
    ///
    /// # Errors
    /// If an anchor cannot be used as one.
    pub fn new<'a>(
        anchors: impl IntoIterator<Item = &'a [u8]>,
        accept: Accept,
    ) -> Result<Self, Error> {
        let anchor = |der: &[u8]| {
            anchor_from_trusted_cert(&CertificateDer::from(der))
                .map(|anchor| anchor.to_owned())
                .map_err(|source| Error::Anchor { source })
        };
        let anchors: Result<Vec<_>, _> = anchors.into_iter().map(anchor).collect();
        let provider = super::provider();
        Ok(Self { anchors: Arc::new(anchors?), accept, provider, mandatory: true })
    }

    /// The same, for a server that does not insist on a certificate.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { mandatory: false, ..self }
    }

    /// Checks a peer's chain, leaf first, as of `now`, and tells its name.
    ///
    /// # Errors
    /// Why the peer is not accepted.
    pub fn check(
        &self,
        chain: &[CertificateDer<'_>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<String, Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(Error::NoCertificate)?;
        let parsed = EndEntityCert::try_from(leaf).map_err(|source| Error::Chain { source })?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        parsed
            .verify_for_usage(
                algorithms,
                &self.anchors,
                intermediates,
                now,
                usage.key_usage(),
                None,
                None,
            )
            .map_err(|source| Error::Chain { source })?;
        let name = uri_san(leaf)?;
        if (self.accept)(&name) { Ok(name) } else { Err(Error::Unexpected { name }) }
    }
}

/// Which side the peer is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Usage {
    /// The peer is the server.
    Server,
    /// The peer is the client.
    Client,
}

impl Usage {
    fn key_usage(self) -> KeyUsage {
        match self {
            Self::Server => KeyUsage::server_auth(),
            Self::Client => KeyUsage::client_auth(),
        }
    }
}

/// The URI name of a workload's certificate.
///
/// # Errors
/// If the certificate does not parse or has not exactly one URI name.
pub fn uri_san(certificate: &CertificateDer<'_>) -> Result<String, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_why| Error::Malformed)?;
    let names = parsed.subject_alternative_name().map_err(|_why| Error::Malformed)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
        .collect();
    match uris.as_slice() {
        [only] => Ok((*only).to_owned()),
        several => Err(Error::Names { found: several.len() }),
    }
}

impl From<Error> for rustls::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Rustls { source } => source,
            Error::Malformed | Error::NoCertificate => {
                Self::InvalidCertificate(CertificateError::BadEncoding)
            }
            Error::Chain { source: webpki::Error::UnknownIssuer } => {
                Self::InvalidCertificate(CertificateError::UnknownIssuer)
            }
            Error::Chain { source: webpki::Error::CertExpired { .. } } => {
                Self::InvalidCertificate(CertificateError::Expired)
            }
            other @ (Error::Chain { .. }
            | Error::Anchor { .. }
            | Error::Names { .. }
            | Error::Unexpected { .. }
            | Error::Pem { .. }) => Self::InvalidCertificate(CertificateError::Other(
                rustls::OtherError(Arc::new(other)),
            )),
        }
    }
}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerVerifier").field("anchors", &self.anchors.len()).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(&chain_of(end_entity, intermediates), Usage::Server, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(&chain_of(end_entity, intermediates), Usage::Client, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn chain_of<'a>(
    leaf: &CertificateDer<'a>,
    intermediates: &[CertificateDer<'a>],
) -> Vec<CertificateDer<'a>> {
    std::iter::once(leaf).chain(intermediates).cloned().collect()
}
