//! Connections that ask once and then hold still, and requests of which no two are alike: what
//! they leave behind in a proxy's memory.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use anyhow::{Context as _, Result};
use proxy::tls::Carries;
use tokio::{net::TcpStream, task::JoinSet, time::sleep};
use tokio_rustls::client::TlsStream;

use crate::services;

use super::{Args, Counts, Outcome, Shape, handshakes, http1, http2, spent, usages};

/// Asks as `args` say, and reads what the watched processes hold while the connections are open.
pub(super) async fn run(args: &Args, counts: &Rc<Counts>) -> Result<Outcome> {
    let before = usages(&args.watch)?;
    let held = match args.shape {
        Shape::Distinct => (distinct(args, counts).await?, Vec::new()),
        Shape::Services => (services(args, counts).await?, Vec::new()),
        Shape::IdleTls => (Vec::new(), over_tls(args, counts).await?),
        _ => (plain(args, counts).await?, Vec::new()),
    };
    sleep(Duration::from_secs_f64(args.warm)).await;
    let after = usages(&args.watch)?;
    drop(held);
    Ok(Outcome { done: counts.done.get(), ..spent(&before, &after) })
}

async fn plain(args: &Args, counts: &Counts) -> Result<Vec<http1::Connection>> {
    let mut held = Vec::new();
    for number in 0..args.connections {
        let mut connection = http1::Connection::open(args.target).await?;
        let asked = connection.ask(http1::SMALL).await;
        counts.add(asked.with_context(|| format!("connection {number}"))?.body);
        connection.forget();
        held.push(connection);
    }
    Ok(held)
}

async fn services(args: &Args, counts: &Counts) -> Result<Vec<http1::Connection>> {
    for number in (args.first..).take(args.connections) {
        let at = services::address(number, args.target.port());
        let mut connection = http1::Connection::open(at).await?;
        let asked = connection.ask(http1::LAST).await;
        counts.add(asked.with_context(|| format!("service {number}"))?.body);
    }
    Ok(Vec::new())
}

async fn over_tls(args: &Args, counts: &Counts) -> Result<Vec<TlsStream<TcpStream>>> {
    let config = handshakes::config(args, Carries::Http2)?;
    let mut held = Vec::new();
    for _ in 0..args.connections {
        let mut stream = handshakes::connect(args.target, &config).await?;
        http2::ask_once(&mut stream, counts).await?;
        held.push(stream);
    }
    Ok(held)
}

/// As many requests as there should be connections, over a few connections, each for a host and a
/// path of its own.
async fn distinct(args: &Args, counts: &Rc<Counts>) -> Result<Vec<http1::Connection>> {
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (target, counts) = (args.target, Rc::clone(counts));
        let share = (lane..args.connections).step_by(LANES);
        lanes.spawn_local(ask_all(target, share, counts));
    }
    let mut held = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        held.push(lane??);
    }
    Ok(held)
}

async fn ask_all(
    target: SocketAddr,
    numbers: impl Iterator<Item = usize>,
    counts: Rc<Counts>,
) -> Result<http1::Connection> {
    let mut connection = http1::Connection::open(target).await?;
    for number in numbers {
        let request = format!("GET /item/{number} HTTP/1.1\r\nhost: shop-{number}\r\n\r\n");
        counts.add(connection.ask(request.as_bytes()).await?.body);
    }
    Ok(connection)
}

const LANES: usize = 8;
