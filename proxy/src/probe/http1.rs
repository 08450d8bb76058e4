//! An HTTP or HTTPS probe: one GET on a connection of its own, of which only the status counts.

use std::{io, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, StatusCode,
    header::{ACCEPT, CONNECTION, HOST, USER_AGENT},
};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use runtime::tls;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Error, Http, Scheme, driven};

pub(super) async fn ask(
    stream: TcpStream,
    probe: &Http,
    pod: IpAddr,
    port: u16,
    agent: &str,
) -> Result<StatusCode, Error> {
    let request = request(probe, pod, port, agent)?;
    match probe.scheme {
        Scheme::Http => send(stream, request).await,
        Scheme::Https => {
            let stream = unverified(stream, probe, pod).await.map_err(Error::Tls)?;
            Box::pin(send(stream, request)).await
        }
    }
}

async fn send<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<StatusCode, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answered = async move { Ok(sender.send_request(request).await?.status()) };
    driven(answered, connection).await
}

/// The request as kubelet would send it (kubelet's `httpGet`: header names are case-insensitive,
/// and `Host` names the host).
fn request(
    probe: &Http,
    pod: IpAddr,
    port: u16,
    agent: &str,
) -> Result<Request<Empty<Bytes>>, http::Error> {
    let path =
        if probe.path.starts_with('/') { probe.path.clone() } else { format!("/{}", probe.path) };
    let mut request = Request::get(path).body(Empty::new())?;
    let headers = request.headers_mut();
    let host = std::net::SocketAddr::new(pod, port).to_string();
    headers.insert(HOST, HeaderValue::try_from(host)?);
    headers.insert(USER_AGENT, HeaderValue::try_from(agent)?);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in &probe.headers {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    Ok(request)
}

async fn unverified(
    stream: TcpStream,
    probe: &Http,
    pod: IpAddr,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let provider = tls::provider();
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let host = probe.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = host.and_then(|(_, host)| ServerName::try_from(host.clone()).ok());
    let name = host.unwrap_or_else(|| ServerName::IpAddress(pod.into()));
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Accepts every certificate, as kubelet's probes do.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
