//! The server behind every proxy: HTTP/1.1, HTTP/2 in clear text and gRPC on one port, bytes that
//! go nowhere on another. As cheap as can be, since it shares a core with the load generator, and
//! what the two cost limits what can be measured.
//!
//! It answers a request of HTTP/1.1 for `/large` with [`LARGE`] bytes and all others with
//! [`SMALL`], and closes after one for `/last`; a request of HTTP/2 with a body is taken for gRPC,
//! and answered with a message.

mod http1;
mod http2;

use std::{io::Write as _, net::Ipv4Addr};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::socket;

/// Where an upstream listens.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Places {
    /// For requests.
    pub http: std::net::SocketAddr,
    /// For bytes.
    pub bytes: std::net::SocketAddr,
}

/// Says where it listens, and serves for ever.
///
/// # Errors
/// If there is no port to be had.
#[expect(clippy::print_stdout, reason = "whoever started it waits for this line")]
pub async fn run() -> Result<()> {
    let http = everywhere_on_loopback()?;
    let bytes = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let places = Places {
        http: (Ipv4Addr::LOCALHOST, http.local_addr()?.port()).into(),
        bytes: bytes.local_addr()?,
    };
    println!("{}", serde_json::to_string(&places)?);
    std::io::stdout().flush()?;
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = bytes.accept().await {
            tokio::task::spawn_local(swallow(stream));
        }
    });
    loop {
        let (stream, _) = http.accept().await?;
        socket::prepare(&stream)?;
        tokio::task::spawn_local(async move {
            // Clients leave as they like: a measurement ends with its load generator.
            drop(serve(stream).await);
        });
    }
}

/// Takes connections to any of loopback's addresses, of which endpoints are made, and no others.
fn everywhere_on_loopback() -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind_device(Some(b"lo"))?;
    socket.bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
    Ok(socket.listen(BACKLOG)?)
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let read = stream.read(&mut buffer).await?;
    let is_http2 = buffer.starts_with(b"PRI ");
    if is_http2 {
        http2::serve(stream, buffer, read).await
    } else {
        http1::serve(stream, buffer, read).await
    }
}

async fn swallow(mut stream: TcpStream) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 {
            return;
        }
    }
}

const BACKLOG: u32 = 1024;

/// What a small answer carries.
pub const SMALL: usize = 100;
/// What a large answer carries.
pub const LARGE: usize = 1 << 20;
