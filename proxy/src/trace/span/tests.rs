use http::Request;
use model::workload::Workload;
use prost::Message as _;
use runtime::clock::Clock;
use tokio::sync::mpsc;

use super::*;
use crate::{
    metrics::labels::Flags,
    trace::id::{SpanId, TraceId},
};

fn head(request: http::request::Builder) -> Head {
    Head::from_parts(request.body(()).unwrap().into_parts().0)
}

fn end(code: u16, grpc_status: Option<u16>) -> End {
    let protocol =
        if grpc_status.is_some() { RequestProtocol::Grpc } else { RequestProtocol::Http };
    End { protocol, code, grpc_status, flags: Flags::None }
}

fn finished(kind: Kind, request: http::request::Builder, end: &End) -> otlp::Span {
    let (outbox, mut spans) = Outbox::for_tests(Clock::fixed(UNIX_EPOCH), 1);
    let (trace, span) = (TraceId::random(), SpanId::random());
    let place = Place { trace, span, parent: None, state: Vec::new() };
    let mut begun = Span::begin(outbox, place, kind, &head(request));
    begun.peer = Some("[::ffff:10.1.2.3]:8080".parse().unwrap());
    assert!(begun.finish(end, Duration::from_millis(5), [3, 4], "catalogue.shop"));
    spans.try_recv().unwrap()
}

fn said(span: &otlp::Span, key: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match attribute.value.clone()?.value? {
        otlp::Value::Text(text) => text,
        otlp::Value::Number(number) => number.to_string(),
    })
}

fn get(uri: &str) -> http::request::Builder {
    Request::get(uri).header("user-agent", "curl/8").header("x-request-id", "7")
}

#[test]
fn a_request_is_told_in_the_words_of_the_conventions() {
    let request = get("/items?token=secret").header("host", "catalogue:8080");
    let span = finished(Kind::Client, request, &end(200, None));
    let told = |key| said(&span, key).unwrap_or_default();
    assert_eq!((span.name.as_str(), span.kind), ("GET", otlp::CLIENT));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/items"),
        ("server.address", "catalogue"),
        ("server.port", "8080"),
        ("http.response.status_code", "200"),
        ("network.peer.address", "10.1.2.3"),
        ("network.peer.port", "8080"),
        ("peer.service", "catalogue.shop"),
        ("user_agent.original", "curl/8"),
        ("guid:x-request-id", "7"),
        ("http.request.body.size", "3"),
        ("http.response.body.size", "4"),
        ("response_flags", "-"),
    ] {
        assert_eq!(told(key), value, "{key}");
    }
    assert!(!format!("{span:?}").contains("secret"), "a query may hold what nobody is to see");
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 5_000_000);
}

#[test]
fn a_method_that_somebody_made_up_names_no_span() {
    let request = Request::builder().method("BREW").uri("/");
    let span = finished(Kind::Server, request, &end(200, None));
    assert_eq!(span.name, "HTTP");
    assert_eq!(said(&span, "http.request.method").unwrap(), "_OTHER");
    assert_eq!(said(&span, "http.request.method_original").unwrap(), "BREW");
    assert_eq!(said(&span, "client.address").unwrap(), "10.1.2.3");
}

#[test]
fn a_call_of_grpc_is_named_by_its_method() {
    let request = Request::post("http://pay/shop.v1.Payment/Pay");
    let request = request.header("content-type", "application/grpc");
    let span = finished(Kind::Client, request, &end(200, Some(5)));
    assert_eq!(span.name, "shop.v1.Payment/Pay");
    assert_eq!(said(&span, "rpc.service").unwrap(), "shop.v1.Payment");
    assert_eq!(said(&span, "rpc.method").unwrap(), "Pay");
    assert_eq!(said(&span, "rpc.grpc.status_code").unwrap(), "5");
    assert_eq!(said(&span, "error.type").unwrap(), "5");
}

#[test]
fn a_refusal_is_an_error_to_its_client_alone() {
    let is_error = |kind, code, grpc| finished(kind, get("/"), &end(code, grpc)).status.is_some();
    for (code, grpc) in [(404, None), (200, Some(5))] {
        assert!(is_error(Kind::Client, code, grpc));
        assert!(!is_error(Kind::Server, code, grpc));
    }
    for (code, grpc) in [(503, None), (200, Some(14))] {
        assert!(is_error(Kind::Client, code, grpc) && is_error(Kind::Server, code, grpc));
    }
    // A client that went away before there was an answer is nobody's error.
    for (code, grpc) in [(0, None), (204, None), (200, Some(0))] {
        assert!(!is_error(Kind::Client, code, grpc) && !is_error(Kind::Server, code, grpc));
    }
}

#[test]
fn what_a_client_sends_takes_no_more_than_its_room() {
    let long = "ä".repeat(10_000);
    let request = Request::get("/").header("user-agent", long.as_bytes());
    let path = format!("/{}", "a".repeat(60_000));
    let span = finished(Kind::Server, request.uri(path), &end(200, None));
    assert!(span.encoded_len() < 2_000, "{}", span.encoded_len());
}

#[test]
fn a_proxy_is_known_by_its_workload() {
    let workload = Workload {
        address: "10.0.0.1".parse().unwrap(),
        pod: "web-1".into(),
        namespace: "shop".into(),
        workload: "web".into(),
        app: "".into(),
        version: "".into(),
        canonical_name: "".into(),
        canonical_revision: "latest".into(),
        revision: None,
        service_account: "web".into(),
        identity: None,
        plain_ports: [].into(),
        keeps_case: false,
        node: "".into(),
        zone: "".into(),
    };
    let Resource(attributes) = Resource::of(&workload);
    let said = |key| attributes.iter().find(|attribute| attribute.key == key).cloned();
    assert_eq!(said("service.name"), Some(KeyValue::text("service.name", "web")));
    assert_eq!(said("k8s.pod.name"), Some(KeyValue::text("k8s.pod.name", "web-1")));
    assert_eq!(said("k8s.node.name"), None);
}

#[test]
fn a_span_that_finds_no_room_says_so() {
    let (outbox, _spans) = Outbox::for_tests(Clock::fixed(UNIX_EPOCH), 1);
    let finish = || {
        let (trace, span) = (TraceId::random(), SpanId::random());
        let place = Place { trace, span, parent: None, state: Vec::new() };
        let span = Span::begin(outbox.clone(), place, Kind::Client, &head(get("/")));
        span.finish(&end(200, None), Duration::ZERO, [0, 0], "")
    };
    assert!(finish());
    assert!(!finish());
}

// The receiver is what a test reads from.
impl Outbox {
    fn for_tests(clock: Clock, room: usize) -> (Self, mpsc::Receiver<otlp::Span>) {
        let (spans, sent) = mpsc::channel(room);
        (Self { clock, spans }, sent)
    }
}
