//! Streams of HTTP/2 that nobody reads, beside others on the same connections: flow control holds
//! up who sends on them and nobody else (RFC 9113, section 5.2).

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::stream;
use h2::server;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{body::Frame, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lab::Pair;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    http1_messages::before,
    raw::DEADLINE,
    talk::{Application, Body, empty, full, spawn, text, words},
};

/// Counts what was taken of bodies that do not end.
#[derive(Clone, Default)]
struct Taken(Arc<AtomicUsize>);

impl Taken {
    fn endless(&self) -> Body {
        let taken = Arc::clone(&self.0);
        let pieces = stream::repeat_with(move || {
            taken.fetch_add(PIECE, Ordering::Relaxed);
            Ok(Frame::data(Bytes::from(vec![1; PIECE])))
        });
        StreamBody::new(pieces).boxed()
    }

    /// Ends once nothing is taken any more; gives how much was.
    async fn stands_still(&self) -> usize {
        let mut before = usize::MAX;
        while before != self.0.load(Ordering::Relaxed) {
            before = self.0.load(Ordering::Relaxed);
            // Long enough for a sender that nobody holds up to be seen.
            assert!(timeout(lab::HEAD_LIMIT, std::future::pending::<()>()).await.is_err());
        }
        before
    }
}

/// A client's connection that has room for what its streams hold.
async fn connect(to: SocketAddr) -> http2::SendRequest<Body> {
    let stream = TcpStream::connect(to).await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(64 * 1024).initial_connection_window_size(1 << 30);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    spawn(connection);
    sender
}

fn request(path: &str, body: Body) -> Request<Body> {
    Request::post(format!("http://catalogue{path}")).body(body).unwrap()
}

/// Others on the same connection, one after the other.
async fn others_are_served(client: &mut http2::SendRequest<Body>) {
    for _ in 0..20 {
        let answer = timeout(DEADLINE, client.send_request(request("/", full("hello")))).await;
        let answer = answer.expect("it is not delayed").unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(timeout(DEADLINE, words(answer)).await.expect("it is not delayed"), "hello");
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_delay_no_other_through_one_proxy_or_two() {
    let sent = Taken::default();
    let endless = sent.clone();
    let application = Application::http(move |request| {
        let endless = endless.clone();
        async move {
            if request.uri().path() == "/endless" {
                return Response::new(endless.endless());
            }
            let said = request.into_body().collect().await.unwrap().to_bytes();
            text(str::from_utf8(&said).unwrap())
        }
    });
    let application = application.await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let mut client = connect(to).await;
        let mut unread = Vec::new();
        for _ in 0..STALLED {
            unread.push(client.send_request(request("/endless", empty())).await.unwrap());
        }
        sent.stands_still().await;
        others_are_served(&mut client).await;
        drop(unread);
    }
}

#[tokio::test]
async fn requests_that_nobody_reads_delay_no_other_through_one_proxy_or_two() {
    // With room for all streams: a server that has none would hold up the others itself.
    let mut settings = server::Builder::new();
    settings.initial_window_size(64 * 1024).initial_connection_window_size(1 << 30);
    let application = Application::tcp(move |stream| {
        let settings = settings.clone();
        async move {
            let mut connection = settings.handshake(stream).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                spawn(echo_unless_sink(request, respond));
            }
        }
    });
    let application = application.await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let (mut client, sent) = (connect(to).await, Taken::default());
        for _ in 0..STALLED {
            spawn(client.send_request(request("/sink", sent.endless())));
        }
        assert!(sent.stands_still().await > STALLED * 64 * 1024);
        others_are_served(&mut client).await;
    }
}

async fn echo_unless_sink(
    request: Request<h2::RecvStream>,
    mut respond: server::SendResponse<Bytes>,
) {
    if request.uri().path() == "/sink" {
        let _unread = request;
        return std::future::pending().await;
    }
    let mut said = request.into_body();
    let mut answer = respond.send_response(Response::new(()), false).unwrap();
    while let Some(Ok(data)) = said.data().await {
        said.flow_control().release_capacity(data.len()).unwrap();
        answer.send_data(data, false).unwrap();
    }
    answer.send_data(Bytes::new(), true).unwrap();
}

const PIECE: usize = 64 * 1024;
/// How many streams stall: each fills its own window at every hop.
const STALLED: usize = 16;
