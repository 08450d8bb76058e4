//! What proxies count under Istio's names, as it goes on.

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use lab::{Pair, Proxy, Setup, service};
use model::endpoint::Endpoint;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::talk::{Application, Body, empty, http1, http2};

/// A server of gRPC that sends back all that it is sent.
async fn echo() -> Application {
    Application::http(|request| async move {
        let mut response = Response::new(request.into_body().boxed());
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", grpc);
        response
    })
    .await
}

#[tokio::test]
async fn messages_of_a_call_are_counted_while_it_goes_on() {
    let application = echo().await;
    let pair = Pair::start(application.address);
    let (say, said) = mpsc::channel(1);
    let body: Body = StreamBody::new(ReceiverStream::new(said)).boxed();
    let request = Request::post("http://catalogue/shop.v1.Payment/Watch");
    let request = request.header("content-type", "application/grpc").body(body).unwrap();
    let mut client = http2(pair.client.outbound()).await;
    let calling = client.send_request(request);
    // Two messages, the second in two frames.
    let frames: [&'static [u8]; 2] = [b"\0\0\0\0\x02hi\0\0\0", b"\0\x03you"];
    for frame in frames {
        say.send(Ok(Frame::data(Bytes::from_static(frame)))).await.unwrap();
    }
    let mut body = calling.await.unwrap().into_body();
    let mut heard = 0;
    while heard < 15 {
        heard += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    for proxy in [&pair.client, &pair.server] {
        for name in ["istio_request_messages_total", "istio_response_messages_total"] {
            assert_eq!(proxy.counted(name, &["request_protocol=\"grpc\""]), 2.0, "{name}");
        }
        assert_eq!(proxy.counted("istio_requests_total", &[]), 0.0, "it is not over");
    }
    drop(say);
}

#[tokio::test]
async fn hosts_and_paths_that_clients_make_up_make_no_series() {
    let application = Application::http(|_request| async { Response::new(empty()) }).await;
    let endpoints = vec![Endpoint::plain(application.address)];
    let proxy = Proxy::start(Setup::new("frontend").with(service(endpoints)));
    let mut client = http1(proxy.outbound()).await;
    for number in 0..300 {
        let request = Request::get(format!("/items/{number}?a={number}"));
        let request = request.header("host", format!("host-{number}"));
        let request = request.header("user-agent", number).body(empty()).unwrap();
        client.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    }
    let page = proxy.scrape();
    let of = |name| page.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>();
    let requests = of("istio_requests_total");
    assert!(requests.len() <= 2, "{requests:#?}");
    assert_eq!(proxy.counted("istio_requests_total", &[]), 300.0);
}
