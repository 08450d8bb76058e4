//! Proxies under attack, and the claims that hold for all attacks: whoever else is connected goes
//! on, and when the attack is over nothing of it is left.

use std::{net::SocketAddr, time::Duration};

use futures::{StreamExt as _, stream};
use lab::{Pair, Proxy, Setup, service, strict};
use model::endpoint::Endpoint;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::client::say_on;

/// How many connections a proxy under attack has places for.
pub(crate) const PLACES: usize = 48;

/// An outbound proxy in front of a server, with few places.
pub(crate) fn plain(server: SocketAddr) -> Proxy {
    let endpoints = vec![Endpoint::plain(server)];
    let setup = Setup::new("frontend").with(service(endpoints));
    Proxy::start(Setup { connections: PLACES, ..setup })
}

/// Somebody who was connected before the attack, and asks again and again.
pub(crate) struct Bystander(TcpStream);

impl Bystander {
    pub(crate) async fn at(outbound: SocketAddr) -> Self {
        let mut bystander = Self(TcpStream::connect(outbound).await.unwrap());
        bystander.is_served().await;
        bystander
    }

    /// Asks once more, and is answered in time.
    pub(crate) async fn is_served(&mut self) {
        let asks = b"GET /bystander HTTP/1.1\r\nhost: a\r\n\r\n";
        let whole = |heard: &[u8]| !strict::responses(heard, &["GET"]).messages.is_empty();
        let answered = timeout(PATIENCE, async {
            loop {
                let heard = say_on(&mut self.0, asks, whole).await;
                if whole(&heard.bytes) || heard.closed {
                    return heard;
                }
            }
        });
        let heard = answered.await.expect("a bystander is served in time");
        let answers = strict::responses(&heard.bytes, &["GET"]).messages;
        assert_eq!(
            answers[0].body,
            b"GET /bystander",
            "{:?}",
            String::from_utf8_lossy(&heard.bytes)
        );
    }
}

/// Asserts that every place of the proxy is free again: as many clients as there are places hold a
/// connection each, and all are served.
pub(crate) async fn all_places_are_free(outbound: SocketAddr) {
    let everybody = stream::iter(0..PLACES).map(|_| Bystander::at(outbound));
    let everybody: Vec<_> = everybody.buffer_unordered(PLACES).collect().await;
    assert_eq!(everybody.len(), PLACES);
}

/// Asserts that nothing is under way in a proxy any more.
pub(crate) async fn comes_to_rest(proxy: &Proxy) {
    let drain = &proxy.plane.drain;
    drain.begin(Instant::now() + PATIENCE);
    assert_eq!(drain.finished().await, 0, "requests are under way that nobody waits for");
}

/// The same of both.
pub(crate) async fn both_come_to_rest(pair: &Pair) {
    comes_to_rest(&pair.client).await;
    comes_to_rest(&pair.server).await;
}

/// How long a bystander waits at most, whatever goes on.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
