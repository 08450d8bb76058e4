use std::{sync::Arc, time::Duration};

use super::{
    Event, Metrics, SERIES, Shard,
    labels::{
        Flags, MessageLabels, PathLabels, Peer, Reporter, RequestLabels, RequestProtocol, Security,
        ServiceLabels,
    },
};

fn path(workload: &str) -> Arc<PathLabels> {
    Arc::new(PathLabels {
        reporter: Reporter::Source,
        source: Arc::new(Peer { workload: workload.into(), ..Peer::unknown() }),
        destination: Arc::new(Peer::unknown()),
        service: Arc::new(ServiceLabels::unknown()),
        security: Security::MutualTls,
    })
}

fn request(workload: &str, code: u16) -> RequestLabels {
    let (protocol, flags) = (RequestProtocol::Http, Flags::None);
    RequestLabels { path: path(workload), protocol, code, grpc_status: None, flags }
}

fn scrape(metrics: &Metrics) -> String {
    let all = runtime::telemetry::Metrics::new();
    metrics.register(&all);
    all.encode().unwrap()
}

/// The value of the one line that begins with `name` and holds all of `parts`.
fn value(text: &str, name: &str, parts: &[&str]) -> String {
    let is_it =
        |line: &&str| line.starts_with(name) && parts.iter().all(|part| line.contains(part));
    let lines: Vec<_> = text.lines().filter(is_it).collect();
    assert_eq!(lines.len(), 1, "{name} {parts:?} in\n{text}");
    lines[0].rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn workers_add_up_under_istios_names() {
    let metrics = Metrics::new();
    for shard in [metrics.shard(), metrics.shard()] {
        shard.requests(request("a", 200)).record(Duration::from_millis(3), 10, 2_000);
    }
    let text = scrape(&metrics);
    let labels = ["reporter=\"source\"", "source_workload=\"a\"", "response_code=\"200\""];
    assert_eq!(value(&text, "istio_requests_total", &labels), "2");
    assert_eq!(value(&text, "istio_request_duration_milliseconds_sum", &labels), "6.0");
    let five = [&labels[..], &["le=\"5.0\""]].concat();
    assert_eq!(value(&text, "istio_request_duration_milliseconds_bucket", &five), "2");
    let one = [&labels[..], &["le=\"1.0\""]].concat();
    assert_eq!(value(&text, "istio_request_duration_milliseconds_bucket", &one), "0");
    // Prometheus takes no quantile of a histogram without this one.
    let all = [&labels[..], &["le=\"+Inf\""]].concat();
    assert_eq!(value(&text, "istio_request_duration_milliseconds_bucket", &all), "2");
    assert_eq!(value(&text, "istio_response_bytes_sum", &labels), "4000.0");
}

#[test]
fn streams_are_counted_under_istios_names() {
    let metrics = Metrics::new();
    let series = metrics.shard().streams(path("a"));
    series.open();
    series.received(5);
    series.sent(7);
    let text = scrape(&metrics);
    let tcp = ["request_protocol=\"tcp\"", "connection_security_policy=\"mutual_tls\""];
    assert_eq!(value(&text, "istio_tcp_connections_opened_total", &tcp), "1");
    assert_eq!(value(&text, "istio_tcp_connections_closed_total", &tcp), "0");
    assert_eq!(value(&text, "istio_tcp_received_bytes_total", &tcp), "5");
    assert_eq!(value(&text, "istio_tcp_sent_bytes_total", &tcp), "7");
}

const NO_FLAGS: [&str; 1] = ["response_flags=\"-\""];

#[test]
fn every_flag_has_a_place_of_its_own() {
    for (place, flags) in Flags::ALL.into_iter().enumerate() {
        assert_eq!(flags as usize, place, "{}", flags.label());
    }
}

#[test]
fn how_a_stream_ended_is_told_when_it_closes_and_its_bytes_as_they_pass() {
    let metrics = Metrics::new();
    for shard in [metrics.shard(), metrics.shard()] {
        let series = shard.streams(path("a"));
        series.open();
        series.received(5);
        series.close(Flags::UpstreamTermination);
        series.miss(Flags::UpstreamFailure);
    }
    let text = scrape(&metrics);
    let told = |flags: &str| {
        let flags = format!("response_flags=\"{flags}\"");
        let value = |name| value(&text, name, &[&flags]);
        [
            value("istio_tcp_connections_opened_total"),
            value("istio_tcp_connections_closed_total"),
            value("istio_tcp_received_bytes_total"),
        ]
    };
    assert_eq!(told("-"), ["2", "0", "10"]);
    assert_eq!(told("UC"), ["0", "2", "0"]);
    assert_eq!(told("UF"), ["2", "2", "0"]);
    assert!(!text.contains("\"DC\""), "nothing ended like that");
}

#[test]
fn messages_of_grpc_are_counted_under_istios_names() {
    let metrics = Metrics::new();
    for shard in [metrics.shard(), metrics.shard()] {
        let series = shard.messages(MessageLabels { path: path("a") });
        series.requests(2);
        series.responses(3);
    }
    let text = scrape(&metrics);
    let grpc = ["request_protocol=\"grpc\"", "source_workload=\"a\""];
    assert_eq!(value(&text, "istio_request_messages_total", &grpc), "4");
    assert_eq!(value(&text, "istio_response_messages_total", &grpc), "6");
}

#[test]
fn a_stream_is_remembered_for_as_long_as_it_is_open_however_quiet() {
    let metrics = Metrics::new();
    let shard = metrics.shard();
    let series = shard.streams(path("a"));
    series.open();
    for _ in 0..3 {
        shard.forget_unused();
    }
    series.close(Flags::UpstreamTermination);
    let text = scrape(&metrics);
    let cut = ["response_flags=\"UC\""];
    assert_eq!(value(&text, "istio_tcp_connections_opened_total", &NO_FLAGS), "1");
    assert_eq!(value(&text, "istio_tcp_connections_closed_total", &cut), "1");
    for _ in 0..2 {
        shard.forget_unused();
    }
    assert!(!series.is_kept());
}

#[test]
fn a_hundred_thousand_kinds_of_requests_take_no_more_than_their_room() {
    let metrics = Metrics::new();
    let shard = metrics.shard();
    for number in 0..100_000 {
        let labels = RequestLabels { path: path(&number.to_string()), ..request("", 200) };
        shard.requests(labels).record(Duration::ZERO, 0, 0);
        shard.messages(MessageLabels { path: path(&number.to_string()) }).requests(1);
    }
    let series = |name: &str| {
        let text = scrape(&metrics);
        text.lines().filter(|line| line.starts_with(name)).count()
    };
    assert_eq!(series("istio_requests_total"), SERIES + 1);
    assert_eq!(series("istio_request_messages_total"), SERIES + 1);
    for _ in 0..2 {
        shard.forget_unused();
    }
    assert_eq!(series("istio_requests_total"), 0);
}

#[test]
fn every_label_of_istios_is_there() {
    let metrics = Metrics::new();
    metrics.shard().requests(request("a", 200)).record(Duration::ZERO, 0, 0);
    let text = scrape(&metrics);
    let side = ["workload", "workload_namespace", "principal", "app", "version", "cluster"];
    let canonical = ["canonical_service", "canonical_revision"];
    for name in side.iter().chain(&canonical) {
        assert!(text.contains(&format!("source_{name}=")), "source_{name}");
        assert!(text.contains(&format!("destination_{name}=")), "destination_{name}");
    }
    let rest = ["destination_service", "destination_service_name", "destination_service_namespace"];
    let more =
        ["request_protocol", "response_flags", "grpc_response_status", "destination_revision"];
    for name in rest.iter().chain(&more) {
        assert!(text.contains(&format!("{name}=")), "{name}");
    }
}

#[test]
fn series_beyond_the_bound_share_one() {
    let shard = Shard::new(2);
    let metrics = Metrics::new();
    metrics.shards.lock().unwrap().push(Arc::new(shard));
    let shard = metrics.shards().remove(0);
    for workload in ["a", "b", "c", "d"] {
        shard.requests(request(workload, 200)).record(Duration::ZERO, 0, 0);
    }
    let text = scrape(&metrics);
    assert_eq!(value(&text, "istio_requests_total", &["source_workload=\"overflow\""]), "2");
    assert_eq!(text.lines().filter(|line| line.starts_with("istio_requests_total")).count(), 3);
}

#[test]
fn a_series_that_nobody_uses_is_forgotten_and_its_handle_knows() {
    let metrics = Metrics::new();
    let shard = metrics.shard();
    let (used, unused) = (shard.requests(request("a", 200)), shard.requests(request("b", 200)));
    shard.forget_unused();
    assert!(used.is_kept() && unused.is_kept(), "both were just made");
    used.record(Duration::ZERO, 0, 0);
    shard.forget_unused();
    assert!(used.is_kept());
    assert!(!unused.is_kept());
    assert!(!scrape(&metrics).contains("source_workload=\"b\""));
}

#[test]
fn events_are_counted_by_name() {
    let metrics = Metrics::new();
    metrics.shard().count(Event::RefusedPlain);
    let text = scrape(&metrics);
    assert_eq!(value(&text, "serin_proxy_events_total", &["refused_plain"]), "1");
    assert_eq!(value(&text, "serin_proxy_events_total", &["replayed"]), "0");
}
