//! Serving HTTP/1.1 and HTTP/2 on the same port, and stopping the way a well-behaved application
//! does: at SIGTERM the port closes at once, and whatever was accepted is finished.
//!
//! What requests mean is left to an [`Answer`].

use std::{io, net::SocketAddr, time::Duration};

use clap::Args;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{flags, output, reply::Body, tasks::Tasks};

mod connection;
mod port;

/// One request, and where it came from.
#[derive(Debug)]
pub struct Call {
    /// The request as it arrived.
    pub request: Request<Incoming>,
    /// The other end of its connection.
    pub peer: SocketAddr,
}

/// What an application does with requests. One clone per connection.
pub trait Answer: Clone + Send + 'static {
    /// Answers one request; what goes wrong is an answer as well.
    fn answer(&self, call: Call) -> impl Future<Output = Response<Body>> + Send;
}

/// The line that a server prints for each port once connections are welcome there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Listening {
    /// What the port is for: `http`, `admin`, `stats`, `tcp`.
    pub role: String,
    /// The address, with the port the kernel chose if 0 was asked for.
    pub listening: SocketAddr,
}

/// The line that a server prints last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Drained {
    /// Connections that had to be cut because they outlasted the patience.
    pub cut: usize,
}

/// How to serve.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// The ports to serve on; 0 lets the kernel choose
    #[arg(long = "port", default_value = "8080", value_delimiter = ',')]
    pub ports: Vec<u16>,
    /// The address to serve on
    #[arg(long, default_value = "0.0.0.0")]
    pub bind: std::net::IpAddr,
    /// How long after SIGTERM what was accepted may take to finish
    #[arg(long, env = "TESTKIT_PATIENCE", default_value = "25s", value_parser = flags::duration)]
    pub patience: Duration,
}

/// Why serving ended badly.
#[derive(Debug, Error)]
pub enum Error {
    /// The port is taken or forbidden.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Standard output is gone.
    #[error("failed to print")]
    Print(#[from] io::Error),
    /// Some of what was accepted did not finish in time.
    #[error("{0} connections were cut when the patience ran out")]
    Cut(usize),
}

/// Binds `address` and says so on standard output.
///
/// # Errors
/// When the address cannot be bound.
pub async fn listen(role: &str, address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let listening = listener.local_addr().map_err(failed)?;
    output::line(&Listening { role: role.to_owned(), listening })?;
    Ok(listener)
}

/// Serves `answer` on every port of `args` until `stop`, then until what was accepted is finished.
///
/// # Errors
/// When a port cannot be bound, or something accepted outlasted the patience.
pub async fn run<A: Answer + Sync>(
    args: &ServeArgs,
    answer: A,
    tasks: &Tasks,
    stop: CancellationToken,
) -> Result<(), Error> {
    let handle = handler(answer, stop.clone());
    connections("http", args, tasks, stop, handle).await
}

/// Hands every connection on every port of `args` to `handle` until `stop`, then waits until all
/// have ended, and all else in `tasks`.
///
/// # Errors
/// When a port cannot be bound, or something accepted outlasted the patience.
pub async fn connections<H, F>(
    role: &str,
    args: &ServeArgs,
    tasks: &Tasks,
    stop: CancellationToken,
    handle: H,
) -> Result<(), Error>
where
    H: Fn(TcpStream, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut listeners = Vec::new();
    for port in &args.ports {
        listeners.push(listen(role, SocketAddr::new(args.bind, *port)).await?);
    }
    let ports = Tasks::default();
    for listener in listeners {
        let (stop, tasks, handle) = (stop.clone(), tasks.clone(), handle.clone());
        ports.spawn(port::accept_until(listener, stop, tasks, handle));
    }
    stop.cancelled().await;
    ports.idle().await;
    let cut = tasks.idle_within(args.patience).await;
    output::line(&Drained { cut })?;
    if cut == 0 { Ok(()) } else { Err(Error::Cut(cut)) }
}

/// Serves `answer` on one more port for as long as the program runs; nothing there is waited for.
pub fn beside<A: Answer + Sync>(listener: TcpListener, answer: A, stop: &CancellationToken) {
    let tasks = Tasks::default();
    let handle = handler(answer, stop.clone());
    tasks.clone().spawn(port::accept_until(listener, stop.clone(), tasks, handle));
}

fn handler<A: Answer + Sync>(
    answer: A,
    stop: CancellationToken,
) -> impl Fn(TcpStream, SocketAddr) -> BoxFuture<'static, ()> + Clone + Send {
    move |stream, peer| {
        let serving = connection::serve(stream, peer, answer.clone(), stop.clone());
        Box::pin(serving)
    }
}
