//! One hop in clear text, HTTP/1.1 or HTTP/2 as the client speaks.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use anyhow::Result;
use hyper::{
    Request,
    body::Incoming,
    client,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Here, strip_hop};
use crate::socket;

/// Serves one client's connection over one connection to the server.
pub(super) async fn serve(stream: TcpStream, to: SocketAddr) -> Result<()> {
    let mut begun = [0; 4];
    stream.peek(&mut begun).await?;
    let server = TokioIo::new(socket::connect(to).await?);
    if begun == *b"PRI " {
        serve_http2(stream, server).await
    } else {
        serve_http1(stream, server).await
    }
}

async fn serve_http1(stream: TcpStream, server: TokioIo<TcpStream>) -> Result<()> {
    let (sender, connection) = client::conn::http1::handshake(server).await?;
    tokio::task::spawn_local(connection);
    let sender = Rc::new(RefCell::new(sender));
    let service = service_fn(move |mut request: Request<Incoming>| {
        strip_hop(request.headers_mut());
        // One request at a time: the answer before was passed on to its end.
        let answer = sender.borrow_mut().send_request(request);
        async move {
            let mut answer = answer.await?;
            strip_hop(answer.headers_mut());
            Ok::<_, hyper::Error>(answer)
        }
    });
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}

async fn serve_http2(stream: TcpStream, server: TokioIo<TcpStream>) -> Result<()> {
    let (sender, connection) = client::conn::http2::handshake(Here, server).await?;
    tokio::task::spawn_local(connection);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut sender = sender.clone();
        async move { sender.send_request(request).await }
    });
    Ok(http2::Builder::new(Here).serve_connection(TokioIo::new(stream), service).await?)
}
