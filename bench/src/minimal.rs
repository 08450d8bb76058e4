//! The least that a proxy on hyper can do: a request in, the same request out, the answer back. No
//! routes, no policy, no metrics. What Serin costs above this is its own.
//!
//! In plain form each client's connection has one of its own to the server. In pair form one
//! connection of HTTP/2 with mutual TLS lies between the two.

mod pair;
mod plain;

use std::{io::Write as _, net::SocketAddr, path::PathBuf, rc::Rc};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use http::{HeaderMap, header};
use tokio::net::{TcpListener, TcpStream};

use crate::{certificates::Holder, socket};

/// What a proxy is started with.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where requests go.
    #[arg(long)]
    to: SocketAddr,
    /// Which part it is.
    #[arg(long)]
    part: Part,
    /// Where its certificate is, for a pair.
    #[arg(long)]
    identity: Option<PathBuf>,
}

/// Which part of a measurement a proxy is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Part {
    /// The only one.
    Alone,
    /// The client's of a pair.
    Client,
    /// The server's of a pair.
    Server,
}

/// Says where it listens, and serves for ever.
///
/// # Errors
/// If it cannot listen, or there is no certificate where one is needed.
#[expect(clippy::print_stdout, reason = "whoever started it waits for this line")]
pub async fn run(args: &Args) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let holder = args.identity.as_deref().map(Holder::read).transpose()?;
    let serve = match (args.part, holder) {
        (Part::Alone, _) => Serve::Alone(args.to),
        (Part::Client, Some(holder)) => Serve::Client(Rc::new(pair::Client::new(args.to, holder)?)),
        (Part::Server, Some(holder)) => Serve::Server(Rc::new(pair::Server::new(args.to, holder)?)),
        (Part::Client | Part::Server, None) => None.context("a pair needs --identity")?,
    };
    println!("{}", serde_json::to_string(&listener.local_addr()?)?);
    std::io::stdout().flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        socket::prepare(&stream)?;
        tokio::task::spawn_local(serve.clone().serve(stream));
    }
}

#[derive(Clone)]
enum Serve {
    Alone(SocketAddr),
    Client(Rc<pair::Client>),
    Server(Rc<pair::Server>),
}

impl Serve {
    /// Clients leave as they like: what fails here fails in the load generator, which says so.
    async fn serve(self, stream: TcpStream) {
        drop(match self {
            Self::Alone(to) => plain::serve(stream, to).await,
            Self::Client(client) => client.serve(stream).await,
            Self::Server(server) => server.serve(stream).await,
        });
    }
}

fn strip_hop(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE] {
        if name != header::TE || headers.get(&name).is_some_and(|te| te != "trailers") {
            headers.remove(name);
        }
    }
}

#[derive(Clone, Copy)]
struct Here;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
