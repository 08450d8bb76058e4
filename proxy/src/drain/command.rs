//! `serin-proxy drain`: the pod's preStop. Tells the running proxy to drain and waits for it.
//!
//! It always ends well: a pod that is being deleted goes, whatever its proxy says.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

/// What a proxy says when it is done.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Drained {
    /// What was in flight at the start.
    pub in_flight: u64,
    /// What was still in flight at the end.
    pub left: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Why the proxy could not be told, or said nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not listen.
    #[error("failed to connect to the proxy at {address}")]
    Connect {
        /// Where it should.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The connection broke, or carried no HTTP.
    #[error("the proxy went away")]
    Gone(#[source] hyper::Error),
    /// The request cannot be written.
    #[error("failed to ask")]
    Request(#[from] http::Error),
    /// The answer is none.
    #[error("the proxy answered {status} and nothing that can be read")]
    Answer {
        /// Its status.
        status: StatusCode,
    },
    /// It took longer than it may.
    #[error("the proxy did not say within {0:?} that it is done")]
    Late(Duration),
}

/// Drains the proxy at `address` and waits for it, no longer than `limit`.
///
/// # Errors
/// If there is no proxy, or it says nothing in time.
pub async fn drain(address: SocketAddr, limit: Duration) -> Result<Drained, Error> {
    let asked = tokio::time::timeout(limit, Box::pin(ask(address)));
    asked.await.map_err(|_elapsed| Error::Late(limit))?
}

async fn ask(address: SocketAddr) -> Result<Drained, Error> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|source| Error::Connect { address, source })?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Error::Gone)?;
    let request = Request::post("/drain").header(HOST, "localhost").body(Empty::<Bytes>::new())?;
    // It owns the sender: when the answer is read, the connection may end.
    let answered = async move {
        let answer = sender.send_request(request).await.map_err(Error::Gone)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
        let body = body.map_err(|_broken| Error::Answer { status })?.to_bytes();
        serde_json::from_slice(&body).map_err(|_unreadable| Error::Answer { status })
    };
    let (answer, _ended) = tokio::join!(answered, connection);
    answer
}

impl std::fmt::Display for Drained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { in_flight, left, seconds } = self;
        match left {
            0 => write!(f, "waited {seconds:.1} s for {in_flight} in flight; nothing is left"),
            left => write!(
                f,
                "waited {seconds:.1} s, the longest allowed, for {in_flight} in flight; {left} are \
                 left and will be cut"
            ),
        }
    }
}

const LONGEST_ANSWER: usize = 64 * 1024;
