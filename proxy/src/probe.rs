//! The application's probes, asked by kubelet at the proxy's own port: kubelet has no certificate
//! of the mesh, and a plain answer from the proxy alone would say nothing about the application.
//!
//! Each probe meets the application itself, at the pod's address and from the address that the
//! proxy reaches its application from, which the redirect rules leave alone. So an application that
//! listens where no peer can reach it fails its probe, as it does without a mesh.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    str::FromStr,
    time::Duration,
};

use http::StatusCode;
use serde::Deserialize;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use crate::ports;

mod grpc;
mod http1;

/// The application's probes by the path that kubelet asks for.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(transparent)]
pub struct Probes(BTreeMap<String, Probe>);

/// One probe.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    #[serde(flatten)]
    kind: Kind,
    port: NonZeroU16,
    #[serde(default = "one_second")]
    timeout_seconds: u64,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Kind {
    Http(Http),
    Tcp,
    Grpc {
        #[serde(default)]
        service: String,
    },
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
struct Http {
    #[serde(default)]
    path: String,
    #[serde(default)]
    scheme: Scheme,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Scheme {
    #[default]
    Http,
    /// The certificate is not looked at, as kubelet does not.
    Https,
}

/// What the application said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// What kubelet is told: a success below 400.
    pub status: StatusCode,
    /// Why, for people.
    pub reason: String,
}

/// Why the application did not answer.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the application does not accept connections")]
    Connect(#[source] io::Error),
    #[error("the application's TLS is no use")]
    Tls(#[source] io::Error),
    #[error("the probe cannot be sent")]
    Request(#[from] http::Error),
    #[error("the application does not answer as it should")]
    Answer(#[from] hyper::Error),
    #[error("the application's health service answers {0}")]
    Health(String),
}

impl Probes {
    /// Asks the application, at the pod's address, what kubelet asks under `path`; nothing if there
    /// is no such probe. `agent` is how kubelet calls itself.
    pub async fn ask(&self, path: &str, pod: IpAddr, agent: Option<&str>) -> Option<Verdict> {
        Some(self.0.get(path)?.ask(pod, agent.unwrap_or(AGENT)).await)
    }

    /// The paths that kubelet may ask for.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Probe {
    async fn ask(&self, pod: IpAddr, agent: &str) -> Verdict {
        let limit = Duration::from_secs(self.timeout_seconds.max(1));
        let asked = tokio::time::timeout(limit, Box::pin(self.try_ask(pod, agent)));
        let (status, reason) = match asked.await {
            Ok(Ok(status)) => {
                (kubelet_status(status), format!("the application answers {status}\n"))
            }
            Ok(Err(error)) => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", crate::cause::causes(&error)))
            }
            Err(_elapsed) => (StatusCode::GATEWAY_TIMEOUT, format!("no answer within {limit:?}\n")),
        };
        Verdict { status, reason }
    }

    async fn try_ask(&self, pod: IpAddr, agent: &str) -> Result<StatusCode, Error> {
        let stream = connect(pod, self.port.get()).await.map_err(Error::Connect)?;
        match &self.kind {
            Kind::Tcp => Ok(StatusCode::OK),
            Kind::Http(http) => {
                Box::pin(http1::ask(stream, http, pod, self.port.get(), agent)).await
            }
            Kind::Grpc { service } => grpc::ask(stream, service, agent).await,
        }
    }
}

/// Kubelet would follow a redirection from here to a place that is not here; to it, any is a
/// success.
fn kubelet_status(status: StatusCode) -> StatusCode {
    if status.is_redirection() { StatusCode::OK } else { status }
}

/// Connects to the application in the one way that meets no listener of ours.
async fn connect(pod: IpAddr, port: u16) -> io::Result<TcpStream> {
    let (domain, from) = match pod {
        IpAddr::V4(_) => (Domain::IPV4, IpAddr::V4(ports::TO_APPLICATION_V4)),
        IpAddr::V6(_) => (Domain::IPV6, IpAddr::V6(ports::TO_APPLICATION_V6)),
    };
    let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    TcpSocket::from_std_stream(socket.into()).connect(SocketAddr::new(pod, port)).await
}

/// The answer, which comes through `connection`. The connection may end in the same breath as the
/// answer comes, so its end says nothing: the answer knows how it went.
async fn driven<T>(
    answer: impl Future<Output = Result<T, Error>>,
    connection: impl Future,
) -> Result<T, Error> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ended = connection => answer.await,
    }
}

impl FromStr for Probes {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

const fn one_second() -> u64 {
    1
}

/// How kubelet calls itself, where it did not say.
const AGENT: &str = "kube-probe";

#[cfg(test)]
mod tests;
