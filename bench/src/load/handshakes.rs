//! Opens connections with mutual TLS as a proxy of the mesh would, one after the other on each
//! lane. A handshake is done when the server has closed the connection after it: only then has it
//! accepted the client's certificate.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use anyhow::{Context as _, Result};
use proxy::tls::Carries;
use rustls::{ClientConfig, HandshakeKind, client::Resumption, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Args, Counts, Shape};
use crate::{certificates::Holder, socket};

/// A client's side as the shape asks for it.
pub(super) fn config(args: &Args, carries: Carries) -> Result<Arc<ClientConfig>> {
    let folder = args.identity.as_deref().context("handshakes need --identity")?;
    let holder = Holder::read(folder)?;
    let mut provider = aws_lc_rs::default_provider();
    if args.shape == Shape::ClassicalHandshakes {
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(holder.verifier()?))
        .with_client_auth_cert(holder.credentials.chain, holder.credentials.key)?;
    config.alpn_protocols = vec![carries.alpn().to_vec()];
    if args.shape != Shape::ResumedHandshakes {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

/// Shakes hands for as long as it is polled.
pub(super) async fn shake(
    target: SocketAddr,
    config: Arc<ClientConfig>,
    counts: Rc<Counts>,
) -> Result<()> {
    loop {
        let mut stream = connect(target, &config).await?;
        if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
            counts.resumed.set(counts.resumed.get() + 1);
        }
        stream.shutdown().await?;
        // Tickets come by here, too.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await?;
        counts.add(rest.len());
    }
}

/// A connection to the workload that all measurements ask.
pub(super) async fn connect(
    target: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>> {
    let stream = socket::connect(target).await?;
    let name = ServerName::try_from(lab::id(crate::SERVER).server_name())?;
    Ok(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?)
}
