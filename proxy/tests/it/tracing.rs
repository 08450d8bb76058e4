//! Traces through two proxies: what the application is told, and what a collector hears.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use lab::{Pair, Proxy, Setup, service, traced};
use model::{endpoint::Endpoint, key::Key, mesh::Otlp, weight::Weight};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::talk::{Application, Body, empty, http1, http2, spawn, text, words};

/// A collector that takes both protocols and keeps what it hears.
struct Collector {
    application: Application,
    heard: mpsc::Receiver<ResourceSpans>,
}

/// A span, and the service that it is of.
#[derive(Debug)]
struct Heard {
    service: String,
    span: Span,
}

impl Collector {
    async fn listen() -> Self {
        let (hear, heard) = mpsc::channel(64);
        let application = Application::http(move |request| take(request, hear.clone())).await;
        Self { application, heard }
    }

    /// Waits for so many spans.
    async fn hear(&mut self, count: usize) -> Vec<Heard> {
        let mut spans = Vec::new();
        while spans.len() < count {
            let of_one = self.heard.recv().await.unwrap();
            let attributes = of_one.resource.unwrap().attributes;
            let service = said(&attributes, "service.name").unwrap();
            for span in of_one.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Heard { service: service.clone(), span });
            }
        }
        assert_eq!(spans.len(), count);
        spans
    }
}

async fn take(request: Request<Incoming>, hear: mpsc::Sender<ResourceSpans>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let mut body = body.collect().await.unwrap().to_bytes();
    let is_grpc = match head.uri.path() {
        "/v1/traces" => false,
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => true,
        other => panic!("nothing is sent to {other}"),
    };
    if is_grpc {
        assert_eq!(head.headers["content-type"], "application/grpc");
        assert_eq!((body.get_u8(), body.get_u32() as usize), (0, body.len()));
    } else {
        assert_eq!(head.headers["content-type"], "application/x-protobuf");
    }
    for spans in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
        hear.send(spans).await.unwrap();
    }
    if is_grpc { taken() } else { Response::new(empty()) }
}

/// An empty message and status 0, as gRPC says it.
fn taken() -> Response<Body> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(0))]);
    let frames = [Ok(Frame::data(Bytes::from_static(&[0; 5]))), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(StreamBody::new(futures::stream::iter(frames)).boxed());
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    response
}

fn said(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("nobody sends {other:?}"),
    }
}

/// An application that answers with those of its request's headers that speak of traces.
async fn mirror() -> Application {
    Application::http(|request| async move {
        let mut words = String::new();
        for (name, value) in request.headers() {
            if !["host", "x-forwarded-client-cert"].contains(&name.as_str()) {
                words.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
            }
        }
        text(&words)
    })
    .await
}

/// A pair whose spans go to a collector.
fn pair(application: &Application, at: SocketAddr, protocol: Otlp, sampling: Weight) -> Pair {
    let mesh = (Key::Mesh, traced(at, protocol, sampling));
    let mut pair = Pair::start_with(application.address, &[mesh]);
    export(&mut pair.client);
    export(&mut pair.server);
    pair
}

fn export(proxy: &mut Proxy) {
    spawn(proxy.take_exporter().run(CancellationToken::new()));
}

/// Asks with these headers; says what the application was told, by name.
async fn ask(pair: &Pair, headers: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut request = Request::get("/items").header("host", "catalogue");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut client = http1(pair.client.outbound()).await;
    let response = client.send_request(request.body(empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let told = words(response).await;
    let lines = told.lines().map(|line| line.split_once(": ").unwrap());
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The client's span and the server's.
fn sides(spans: &[Heard]) -> (&Heard, &Heard) {
    let of = |kind: SpanKind| spans.iter().find(|it| it.span.kind == kind as i32).unwrap();
    (of(SpanKind::Client), of(SpanKind::Server))
}

async fn check_both_sides(protocol: Otlp) {
    let (application, mut collector) = (mirror().await, Collector::listen().await);
    let pair = pair(&application, collector.application.address, protocol, Weight::ALL);
    let told = ask(&pair, &[]).await;
    let spans = collector.hear(2).await;
    let (client, server) = sides(&spans);
    assert_eq!((client.service.as_str(), server.service.as_str()), ("frontend", "catalogue"));
    let (client, server) = (&client.span, &server.span);
    assert_eq!(client.trace_id, server.trace_id);
    assert!(client.parent_span_id.is_empty(), "the trace began here");
    assert_eq!(server.parent_span_id, client.span_id);
    let (trace, span) = (hex::encode(&server.trace_id), hex::encode(&server.span_id));
    assert_eq!(told["traceparent"], format!("00-{trace}-{span}-01"));
    let about = [&client.attributes, &server.attributes];
    for attributes in about {
        assert_eq!(said(attributes, "guid:x-request-id").unwrap(), told["x-request-id"]);
        assert_eq!(said(attributes, "url.path").unwrap(), "/items");
        assert_eq!(said(attributes, "http.response.status_code").unwrap(), "200");
    }
    let peer = said(&client.attributes, "network.peer.port").unwrap();
    assert_eq!(peer, pair.server.inbound().port().to_string());
    assert!(client.start_time_unix_nano <= server.start_time_unix_nano);
}

#[tokio::test]
async fn a_trace_has_a_span_from_each_proxy_over_grpc() {
    check_both_sides(Otlp::Grpc).await;
}

#[tokio::test]
async fn a_trace_has_a_span_from_each_proxy_over_http() {
    check_both_sides(Otlp::Http).await;
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn a_trace_that_came_as_b3_goes_on_as_b3_and_as_w3c() {
    let (application, mut collector) = (mirror().await, Collector::listen().await);
    // Nothing that begins here is recorded; what began elsewhere is, if they say so.
    let pair = pair(&application, collector.application.address, Otlp::Grpc, Weight::NONE);
    let single = format!("{TRACE}-{SPAN}-1");
    let told = ask(&pair, &[("b3", &single)]).await;
    let spans = collector.hear(2).await;
    let (client, server) = sides(&spans);
    assert_eq!(hex::encode(&client.span.parent_span_id), SPAN);
    let (client, server) = (hex::encode(&client.span.span_id), hex::encode(&server.span.span_id));
    assert_eq!(told["b3"], format!("{TRACE}-{server}-1-{client}"));
    assert_eq!(told["traceparent"], format!("00-{TRACE}-{server}-01"));
    let many = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")];
    let told = ask(&pair, &many).await;
    let spans = collector.hear(2).await;
    let (client, server) = sides(&spans);
    assert_eq!(told["x-b3-traceid"], TRACE);
    assert_eq!(told["x-b3-spanid"], hex::encode(&server.span.span_id));
    assert_eq!(told["x-b3-parentspanid"], hex::encode(&client.span.span_id));
    assert_eq!(told["x-b3-sampled"], "1");
}

#[tokio::test]
async fn a_trace_that_is_not_recorded_stays_so_on_every_hop() {
    let (application, mut collector) = (mirror().await, Collector::listen().await);
    let pair = pair(&application, collector.application.address, Otlp::Grpc, Weight::ALL);
    let parent = format!("00-{TRACE}-{SPAN}-00");
    let told = ask(&pair, &[("traceparent", &parent), ("tracestate", "a=1")]).await;
    assert_eq!([&told["traceparent"], &told["tracestate"]], [&parent, "a=1"]);
    let told = ask(&pair, &[("b3", "0")]).await;
    assert!(told["traceparent"].ends_with("-00"));
    // Spans leave in order, so the first to come would be those.
    let parent = format!("00-{TRACE}-{SPAN}-01");
    ask(&pair, &[("traceparent", &parent), ("tracestate", "a=1")]).await;
    for Heard { span, .. } in collector.hear(2).await {
        assert_eq!((hex::encode(&span.trace_id), span.trace_state.as_str()), (TRACE.into(), "a=1"));
    }
}

#[tokio::test]
async fn where_there_is_no_collector_requests_go_on_as_they_came() {
    let application = mirror().await;
    let pair = Pair::start(application.address);
    assert!(ask(&pair, &[]).await.is_empty());
    let came = [("traceparent", "what"), ("tracestate", "a=1"), ("b3", "0")];
    let told = ask(&pair, &came).await;
    assert_eq!(told.len(), 3);
    for (name, value) in came {
        assert_eq!(told[name], value);
    }
}

#[tokio::test]
async fn a_failure_is_one_in_the_spans_of_both_sides() {
    let application = Application::http(|_request| async {
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    });
    let (application, mut collector) = (application.await, Collector::listen().await);
    let pair = pair(&application, collector.application.address, Otlp::Http, Weight::ALL);
    let mut client = http2(pair.client.outbound()).await;
    let request = Request::get("http://catalogue/").body(empty()).unwrap();
    client.send_request(request).await.unwrap();
    for Heard { span, .. } in collector.hear(2).await {
        assert_eq!(span.status.unwrap().code, SpanStatus::Error as i32);
        assert_eq!(said(&span.attributes, "error.type").unwrap(), "502");
    }
}

#[tokio::test]
async fn a_collector_that_is_stuck_delays_nobody_and_what_it_misses_is_counted() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let stuck = Application::http(move |_request| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<Response<Body>>()
    });
    let (application, stuck) = (mirror().await, stuck.await);
    let setup = Setup::new("frontend").with(service(vec![Endpoint::plain(application.address)]));
    let mesh = (Key::Mesh, traced(stuck.address, Otlp::Http, Weight::ALL));
    let mut proxy = Proxy::start(setup.with([mesh]));
    export(&mut proxy);
    let mut client = http1(proxy.outbound()).await;
    let dropped = || proxy.counted("serin_proxy_events_total", &["\"span_dropped\""]);
    // More than the queue and the batch that is stuck have room for.
    for _ in 0..4_700 {
        let request = Request::get("/").header("host", "catalogue").body(empty()).unwrap();
        let response = client.send_request(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    assert!(dropped() >= 1.0);
    assert!(calls.load(Ordering::Relaxed) > 0, "it was asked");
}
