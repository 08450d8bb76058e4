//! Places on connections to a server that takes any number of connections and says nothing.

use futures::{FutureExt as _, future::join_all};
use http::Response;
use runtime::clock::Clock;
use tokio::{net::TcpListener, task::LocalSet};

use super::*;
use crate::{identity::Identity, pool::Transport};

struct World {
    endpoint: Rc<Endpoint>,
    tls: Arc<Tls>,
}

impl World {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new(listener.local_addr().unwrap(), Transport::Plain);
        tokio::task::spawn_local(async move {
            let mut connections = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.push(connection);
            }
        });
        Self::around(endpoint)
    }

    fn around(endpoint: Endpoint) -> Self {
        let tls = Arc::new(Tls::new(Identity::empty(), Clock::system()));
        Self { endpoint: Rc::new(endpoint), tls }
    }

    async fn take(&self) -> Result<Http2Lease, Rc<Error>> {
        Http2Pool::take(&self.endpoint, &self.tls, None).await
    }

    async fn take_many(&self, count: usize) -> Vec<Http2Lease> {
        let taken = join_all((0..count).map(|_| self.take())).await;
        taken.into_iter().map(Result::unwrap).collect()
    }

    fn connections(&self) -> usize {
        self.endpoint.http2.connections.borrow().len()
    }
}

const ALL: usize = CONNECTIONS * STREAMS as usize;

#[tokio::test]
async fn all_who_come_to_a_fresh_endpoint_at_once_get_a_place() {
    let check = async {
        let world = World::new().await;
        let leases = world.take_many(1_000).await;
        assert_eq!(leases.len(), 1_000);
        assert!(leases.iter().all(|lease| lease.connection.streams.get() <= STREAMS));
    };
    LocalSet::new().run_until(check).await;
}

/// Where a server answers that takes so many requests at a time.
async fn taking(limit: u32) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = h2::server::Builder::new();
    server.max_concurrent_streams(limit);
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let server = server.clone();
            tokio::task::spawn_local(async move {
                let mut connection = server.handshake::<_, Bytes>(stream).await.unwrap();
                while let Some(Ok((_request, mut respond))) = connection.accept().await {
                    respond.send_response(Response::new(()), true).unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn what_a_server_takes_is_learnt_for_further_connections_until_the_last_is_closed() {
    let check = async {
        let world = World::around(Endpoint::new(taking(3).await, Transport::Plain));
        let lease = world.take().await.unwrap();
        let request = Request::get("http://catalogue/").body(()).unwrap();
        let (response, _stream) = lease.send(request, true).unwrap();
        response.await.unwrap();
        lease.settle();
        let leases = world.take_many(20).await;
        assert!(leases.iter().all(|lease| lease.connection.streams.get() <= 3));
        drop((lease, leases));
        world.endpoint.http2.sweep(Instant::now(), Duration::ZERO);
        let lease = world.take().await.unwrap();
        assert_eq!(lease.connection.places.get(), STREAMS);
    };
    LocalSet::new().run_until(check).await;
}

#[tokio::test]
async fn when_all_places_are_taken_no_connection_is_opened_and_the_first_in_line_gets_the_next() {
    let check = async {
        let world = World::new().await;
        let mut leases = world.take_many(ALL).await;
        let hurried = Http2Pool::take(&world.endpoint, &world.tls, Some(Duration::from_millis(1)));
        assert!(matches!(*hurried.await.unwrap_err(), Error::Slow));
        let (mut first, mut second) = (Box::pin(world.take()), Box::pin(world.take()));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        assert_eq!((world.connections(), world.endpoint.http2.opening.get()), (CONNECTIONS, false));
        leases.pop();
        assert!((&mut second).now_or_never().is_none());
        let place = first.now_or_never().unwrap().unwrap();
        drop(place);
        assert!(second.now_or_never().unwrap().is_ok());
    };
    LocalSet::new().run_until(check).await;
}

#[tokio::test]
async fn a_place_that_came_too_late_goes_to_the_next_in_line() {
    let check = async {
        let world = World::new().await;
        let mut leases = world.take_many(ALL).await;
        let (mut first, mut second) = (Box::pin(world.take()), Box::pin(world.take()));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        leases.pop();
        // It has the place and never looks.
        drop(first);
        assert!(second.now_or_never().unwrap().is_ok());
    };
    LocalSet::new().run_until(check).await;
}

#[tokio::test]
async fn nobody_waits_for_a_place_for_ever_and_not_everybody_may() {
    let check = async {
        let world = World::new().await;
        let _leases = world.take_many(ALL).await;
        tokio::time::pause();
        let waiting = join_all((0..LINE).map(|_| world.take()));
        let one_more = async {
            tokio::task::yield_now().await;
            let at = Instant::now();
            assert!(matches!(*world.take().await.unwrap_err(), Error::Crowded));
            assert_eq!(at.elapsed(), Duration::ZERO);
        };
        let began = Instant::now();
        let (ended, ()) = tokio::join!(waiting, one_more);
        assert!(ended.iter().all(|ended| matches!(**ended.as_ref().unwrap_err(), Error::Crowded)));
        let most = QUEUE_LIMIT + Duration::from_millis(100);
        assert!(began.elapsed() < most, "{:?}", began.elapsed());
    };
    LocalSet::new().run_until(check).await;
}

#[tokio::test]
async fn all_who_wait_are_told_why_there_is_no_connection() {
    let check = async {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let world = World::around(Endpoint::new(gone, Transport::Plain));
        let told = join_all((0..10).map(|_| world.take())).await;
        let is_told = |told: &Result<Http2Lease, Rc<Error>>| matches!(told, Err(error) if matches!(**error, Error::Connect(_)));
        assert!(told.iter().all(is_told), "{told:?}");
    };
    LocalSet::new().run_until(check).await;
}

#[tokio::test]
async fn who_waits_is_not_turned_away_while_there_is_a_connection() {
    let check = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let world = World::around(Endpoint::new(address, Transport::Plain));
        let (first, _connection) = tokio::join!(world.take(), listener.accept());
        drop(listener);
        let mut leases = vec![first.unwrap()];
        for _ in 1..STREAMS {
            leases.push(world.take().await.unwrap());
        }
        let mut waiting = Box::pin(world.take());
        assert!((&mut waiting).now_or_never().is_none());
        assert!(world.endpoint.http2.opening.get());
        while world.endpoint.http2.opening.get() {
            tokio::task::yield_now().await;
        }
        assert!((&mut waiting).now_or_never().is_none(), "a further connection fails");
        leases.pop();
        assert!(waiting.now_or_never().unwrap().is_ok());
    };
    LocalSet::new().run_until(check).await;
}
