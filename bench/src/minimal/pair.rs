//! Two proxies with mutual TLS and HTTP/2 between them; HTTP/1.1 on the outer sides.

#![expect(clippy::large_futures, reason = "boxing them would be a cost of ours, not of hyper's")]

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc};

use anyhow::{Context as _, Result};
use http::{Uri, Version, header, uri};
use hyper::{
    Request, Response,
    body::Incoming,
    client,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use runtime::tls::{ClientAuth, client_config, server_config};
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Here, strip_hop};
use crate::{certificates::Holder, socket};

/// The client's side of a pair.
pub(super) struct Client {
    to: SocketAddr,
    connector: TlsConnector,
    sender: OnceCell<client::conn::http2::SendRequest<Incoming>>,
}

/// The server's side of a pair.
pub(super) struct Server {
    to: SocketAddr,
    acceptor: TlsAcceptor,
    idle: RefCell<Vec<client::conn::http1::SendRequest<Incoming>>>,
}

impl Client {
    pub(super) fn new(to: SocketAddr, holder: Holder) -> Result<Self> {
        let verifier = holder.verifier()?;
        let config = client_config(Some(holder.credentials), verifier, &[b"h2"])?;
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self { to, connector, sender: OnceCell::new() })
    }

    pub(super) async fn serve(self: Rc<Self>, stream: TcpStream) -> Result<()> {
        let service = service_fn(move |request| {
            let this = Rc::clone(&self);
            async move { this.ask(request).await }
        });
        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        Ok(served?)
    }

    async fn ask(&self, mut request: Request<Incoming>) -> Result<Response<Incoming>> {
        let sender = self.sender.get_or_try_init(|| self.open()).await?;
        strip_hop(request.headers_mut());
        let host = request.headers_mut().remove(header::HOST).context("no host")?;
        let mut parts = uri::Parts::default();
        parts.scheme = Some(uri::Scheme::HTTP);
        parts.authority = Some(uri::Authority::try_from(host.as_bytes())?);
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts)?;
        *request.version_mut() = Version::HTTP_2;
        Ok(sender.clone().send_request(request).await?)
    }

    async fn open(&self) -> Result<client::conn::http2::SendRequest<Incoming>> {
        let stream = socket::connect(self.to).await?;
        let name = ServerName::try_from(lab::id(crate::SERVER).server_name())?;
        let stream = self.connector.connect(name, stream).await?;
        let (sender, connection) =
            client::conn::http2::handshake(Here, TokioIo::new(stream)).await?;
        tokio::task::spawn_local(connection);
        Ok(sender)
    }
}

impl Server {
    pub(super) fn new(to: SocketAddr, holder: Holder) -> Result<Self> {
        let verifier = holder.verifier()?;
        let config = server_config(holder.credentials, verifier, ClientAuth::Required, &[b"h2"])?;
        Ok(Self { to, acceptor: TlsAcceptor::from(Arc::new(config)), idle: RefCell::default() })
    }

    pub(super) async fn serve(self: Rc<Self>, stream: TcpStream) -> Result<()> {
        let stream = self.acceptor.accept(stream).await?;
        let service = service_fn(move |request| {
            let this = Rc::clone(&self);
            async move { this.ask(request).await }
        });
        Ok(http2::Builder::new(Here).serve_connection(TokioIo::new(stream), service).await?)
    }

    async fn ask(&self, mut request: Request<Incoming>) -> Result<Response<Incoming>> {
        let host = request.uri().authority().context("no authority")?.as_str().try_into()?;
        request.headers_mut().insert(header::HOST, host);
        let path = request.uri().path_and_query().cloned().context("no path")?;
        *request.uri_mut() = Uri::from(path);
        *request.version_mut() = Version::HTTP_11;
        let mut sender = match self.ready() {
            Some(sender) => sender,
            None => self.open().await?,
        };
        let mut answer = sender.send_request(request).await?;
        // Not ready before the answer was passed on, and passed over until then.
        self.idle.borrow_mut().push(sender);
        strip_hop(answer.headers_mut());
        Ok(answer)
    }

    fn ready(&self) -> Option<client::conn::http1::SendRequest<Incoming>> {
        let mut idle = self.idle.borrow_mut();
        let ready = idle.iter().rposition(client::conn::http1::SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    async fn open(&self) -> Result<client::conn::http1::SendRequest<Incoming>> {
        let stream = TokioIo::new(socket::connect(self.to).await?);
        let (sender, connection) = client::conn::http1::handshake(stream).await?;
        tokio::task::spawn_local(connection);
        Ok(sender)
    }
}
