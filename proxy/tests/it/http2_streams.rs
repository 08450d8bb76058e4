//! Streams of HTTP/2 between a client, two proxies and a server: RFC 9113 and RFC 8441, where they
//! need both ends of a connection to be seen.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::future::join_all;
use h2::{Reason, client, server};
use http::{Method, Request, Response, StatusCode};
use lab::Pair;
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc},
    time::timeout,
};

use crate::{
    http1_messages::before,
    raw::{DEADLINE, HEAD, read_until},
    talk::{Application, Body, empty, get, http1, http2, spawn, text, words},
};

type Sender = client::SendRequest<Bytes>;

/// A client's connection, with windows that are never the ones in the way.
async fn connect(to: SocketAddr) -> Sender {
    let stream = TcpStream::connect(to).await.unwrap();
    let mut builder = client::Builder::new();
    builder.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
    let (sender, connection) = builder.handshake(stream).await.unwrap();
    spawn(async move { drop(connection.await) });
    sender.ready().await.unwrap()
}

fn request(path: &str) -> Request<()> {
    Request::get(format!("http://catalogue{path}")).body(()).unwrap()
}

/// An application of HTTP/2 that does with every request what `answer` says.
async fn serving<F, R>(settings: server::Builder, answer: F) -> Application
where
    F: Fn(Request<h2::RecvStream>, server::SendResponse<Bytes>) -> R
        + Clone
        + Send
        + Sync
        + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    Application::tcp(move |stream| {
        let (settings, answer) = (settings.clone(), answer.clone());
        async move {
            let mut connection = settings.handshake(stream).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                spawn(answer(request, respond));
            }
        }
    })
    .await
}

/// An application that never stops talking at `/endless`, and says `ok` elsewhere.
async fn endless() -> Application {
    Application::http(|request| async move {
        if request.uri().path() != "/endless" {
            return text("ok");
        }
        let pieces = futures::stream::repeat_with(|| {
            Ok(hyper::body::Frame::data(Bytes::from(vec![1; 64 * 1024])))
        });
        Response::new(http_body_util::BodyExt::boxed(http_body_util::StreamBody::new(pieces)))
    })
    .await
}

#[tokio::test]
async fn a_stream_that_nobody_reads_delays_no_other_on_the_same_connection() {
    let application = endless().await;
    let pair = Pair::start(application.address);
    // Each of these is a connection of its own to the first proxy, and they share one between the
    // proxies.
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut client = http1(pair.client.outbound()).await;
        let response = timeout(DEADLINE, client.send_request(get("/endless"))).await;
        let response = response.expect("it is not delayed").unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        stalled.push((client, response));
    }
    let mut client = http1(pair.client.outbound()).await;
    for _ in 0..20 {
        let answer = async { words(client.send_request(get("/")).await.unwrap()).await };
        assert_eq!(timeout(DEADLINE, answer).await.expect("it is not delayed"), "ok");
    }
}

#[tokio::test]
async fn a_reader_that_is_slow_slows_its_own_sender() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let application = Application::http(move |_| {
        let sent = Arc::clone(&counted);
        async move {
            let pieces = futures::stream::repeat_with(move || {
                sent.fetch_add(64 * 1024, Ordering::Relaxed);
                Ok(hyper::body::Frame::data(Bytes::from(vec![1; 64 * 1024])))
            });
            Response::new(http_body_util::BodyExt::boxed(http_body_util::StreamBody::new(pieces)))
        }
    });
    let application = application.await;
    let pair = Pair::start(application.address);
    let mut client = http2(pair.client.outbound()).await;
    let response = client.send_request(empty_request("/endless")).await.unwrap();
    let mut before = usize::MAX;
    while before != sent.load(Ordering::Relaxed) {
        before = sent.load(Ordering::Relaxed);
        // Long enough for a sender that nobody holds back to be seen.
        assert!(timeout(lab::HEAD_LIMIT, std::future::pending::<()>()).await.is_err());
    }
    assert!(before < 16 << 20, "{before} bytes went somewhere");
    drop(response);
}

fn empty_request(path: &str) -> Request<Body> {
    let request = Request::get(format!("http://catalogue{path}"));
    request.body(empty()).unwrap()
}

#[tokio::test]
async fn a_server_that_closes_its_connections_one_after_the_other_loses_no_request() {
    let application = Application::tcp(|stream| async move {
        let mut connection = server::handshake(stream).await.unwrap();
        let mut served = 0;
        while let Some(Ok((_request, mut respond))) = connection.accept().await {
            respond.send_response(Response::new(()), true).unwrap();
            served += 1;
            if served == 5 {
                connection.graceful_shutdown();
            }
        }
    });
    let application = application.await;
    let pair = Pair::start(application.address);
    let proxy = before(&application);
    for to in [proxy.outbound(), pair.client.outbound()] {
        let sender = connect(to).await;
        let answers = (0..200).map(|_| {
            let mut sender = sender.clone();
            async move { sender.send_request(request("/"), true).unwrap().0.await }
        });
        for answer in timeout(DEADLINE, join_all(answers)).await.unwrap() {
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn a_server_that_takes_few_requests_at_a_time_is_asked_all_of_them() {
    let mut settings = server::Builder::new();
    settings.max_concurrent_streams(3);
    let application = serving(settings, |_, mut respond| async move {
        drop(respond.send_response(Response::new(()), true));
    });
    let application = application.await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let sender = connect(to).await;
        let answers = (0..50).map(|_| {
            let (mut sender, mut request) = (sender.clone(), request("/"));
            *request.method_mut() = Method::POST;
            async move { sender.send_request(request, true).unwrap().0.await }
        });
        for answer in timeout(DEADLINE, join_all(answers)).await.unwrap() {
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn a_request_that_its_client_resets_is_reset_at_the_server() {
    let (tell, mut told) = mpsc::channel(2);
    let application = serving(server::Builder::new(), move |_, mut respond| {
        let tell = tell.clone();
        async move {
            tell.send(None).await.unwrap();
            let reason = std::future::poll_fn(|context| respond.poll_reset(context)).await;
            tell.send(Some(reason.unwrap())).await.unwrap();
        }
    });
    let application = application.await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let mut sender = connect(to).await;
        let (_answer, mut stream) = sender.send_request(request("/"), false).unwrap();
        assert_eq!(timeout(DEADLINE, told.recv()).await.unwrap(), Some(None));
        stream.send_reset(Reason::CANCEL);
        let reset = timeout(DEADLINE, told.recv()).await.expect("the server is told");
        assert_eq!(reset, Some(Some(Reason::CANCEL)));
    }
}

#[tokio::test]
async fn a_request_that_took_the_servers_last_place_is_reset_as_well() {
    let (tell, mut told) = mpsc::channel(2);
    let mut settings = server::Builder::new();
    settings.max_concurrent_streams(1);
    let application = serving(settings, move |request, mut respond| {
        let tell = tell.clone();
        async move {
            if request.uri().path() == "/once" {
                return drop(respond.send_response(Response::new(()), true).unwrap());
            }
            tell.send(None).await.unwrap();
            let reason = std::future::poll_fn(|context| respond.poll_reset(context)).await;
            tell.send(Some(reason.unwrap())).await.unwrap();
        }
    });
    let application = application.await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let mut sender = connect(to).await;
        // The proxy learns of the limit.
        let (answer, _) = sender.send_request(request("/once"), true).unwrap();
        assert_eq!(timeout(DEADLINE, answer).await.unwrap().unwrap().status(), StatusCode::OK);
        let (_answer, mut stream) = sender.send_request(request("/"), false).unwrap();
        assert_eq!(timeout(DEADLINE, told.recv()).await.unwrap(), Some(None));
        stream.send_reset(Reason::CANCEL);
        let reset = timeout(DEADLINE, told.recv()).await.expect("the server is told");
        assert_eq!(reset, Some(Some(Reason::CANCEL)));
    }
}

#[tokio::test]
async fn a_response_that_its_server_resets_is_reset_at_the_client_for_the_same_reason() {
    let seen = Arc::new(Notify::new());
    let wait = Arc::clone(&seen);
    let application = serving(server::Builder::new(), move |_, mut respond| {
        let seen = Arc::clone(&wait);
        async move {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"half"), false).unwrap();
            // A reset takes everything along that was not sent yet.
            seen.notified().await;
            body.send_reset(Reason::ENHANCE_YOUR_CALM);
        }
    });
    let application = application.await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let mut sender = connect(to).await;
        let (answer, _) = sender.send_request(request("/"), true).unwrap();
        let ended = async {
            let mut body = answer.await?.into_body();
            while let Some(data) = body.data().await {
                assert_eq!(data?, "half");
                seen.notify_one();
            }
            Ok::<_, h2::Error>(())
        };
        let error = timeout(DEADLINE, ended).await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM), "{error}");
    }
}

#[tokio::test]
async fn a_stream_becomes_what_client_and_server_agree_on() {
    let mut settings = server::Builder::new();
    settings.enable_connect_protocol();
    let application = serving(settings, |request, mut respond| async move {
        let protocol = request.extensions().get::<h2::ext::Protocol>().unwrap();
        assert_eq!((request.method(), protocol.as_str()), (&Method::CONNECT, "websocket"));
        let mut said = request.into_body();
        let mut answer = respond.send_response(Response::new(()), false).unwrap();
        let word = said.data().await.unwrap().unwrap();
        said.flow_control().release_capacity(word.len()).unwrap();
        answer.send_data(word, true).unwrap();
    });
    let application = application.await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let mut sender = connect(to).await;
        let mut request = request("/chat");
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        let (answer, mut stream) = sender.send_request(request, false).unwrap();
        let answer = timeout(DEADLINE, answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        stream.send_data(Bytes::from_static(b"hello"), false).unwrap();
        let mut echo = answer.into_body();
        let word = timeout(DEADLINE, echo.data()).await.unwrap().unwrap().unwrap();
        assert_eq!(word, "hello");
    }
}

#[tokio::test]
async fn a_client_that_pings_is_answered_while_its_server_is_silent() {
    let asked = Arc::new(Notify::new());
    let tell = Arc::clone(&asked);
    let application = Application::tcp(move |mut stream| {
        let tell = Arc::clone(&tell);
        async move {
            read_until(&mut stream, HEAD).await.unwrap();
            tell.notify_one();
            std::future::pending::<()>().await;
        }
    });
    let application = application.await;
    let pair = Pair::start(application.address);
    let stream = TcpStream::connect(pair.client.outbound()).await.unwrap();
    let (mut sender, mut connection) = client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    spawn(async move { drop(connection.await) });
    let (_answer, _stream) = sender.send_request(request("/"), true).unwrap();
    timeout(DEADLINE, asked.notified()).await.unwrap();
    for _ in 0..10 {
        let pong = timeout(DEADLINE, pings.ping(h2::Ping::opaque())).await;
        pong.expect("it is answered").unwrap();
    }
}
