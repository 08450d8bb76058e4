use std::net::SocketAddr;

use model::mesh::{Mesh, Otlp, OutboundPolicy};
use model::weight::Weight;
use tokio::net::TcpListener;

use super::*;
use crate::metrics::Metrics;

fn mesh(collector: Option<SocketAddr>) -> Held {
    let tracing =
        collector.map(|at| Tracing::new(&format!("http://{at}"), Otlp::Http, Weight::ALL).unwrap());
    Held::Mesh(Arc::new(Mesh {
        trust_domain: "cluster.local".parse().unwrap(),
        cidrs: Vec::new(),
        outbound: OutboundPolicy::AllowAny,
        access_log: None,
        tracing,
    }))
}

/// Runs an exporter for three spans until nobody sends any more; says how many were dropped.
async fn dropped(collector: Option<SocketAddr>) -> u64 {
    let (discovery, _feed) = Discovery::for_tests([(Key::Mesh, mesh(collector))]);
    let (metrics, resource) = (Metrics::new(), Resource::of(&lab_workload()));
    let (outbox, exporter) = queue(Clock::system(), discovery, resource, metrics.shard());
    for _ in 0..3 {
        assert!(outbox.send(otlp::Span::default()));
    }
    drop(outbox);
    exporter.run(CancellationToken::new()).await;
    metrics.counted(Event::SpanDropped)
}

fn lab_workload() -> model::workload::Workload {
    model::workload::Workload {
        address: "10.0.0.1".parse().unwrap(),
        pod: "web-1".into(),
        namespace: "shop".into(),
        workload: "web".into(),
        app: "".into(),
        version: "".into(),
        canonical_name: "web".into(),
        canonical_revision: "".into(),
        revision: None,
        service_account: "web".into(),
        identity: None,
        plain_ports: [].into(),
        keeps_case: false,
        node: "".into(),
        zone: "".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_not_there_is_given_up_and_what_it_missed_is_counted() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let began = Instant::now();
    assert_eq!(dropped(Some(gone)).await, 3);
    assert!(began.elapsed() > GIVEN_UP_AFTER / 2, "it was tried again");
    assert!(began.elapsed() < GIVEN_UP_AFTER * 2);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_never_answers_is_given_up_and_what_it_missed_is_counted() {
    let stuck = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(dropped(Some(stuck.local_addr().unwrap())).await, 3);
}

#[tokio::test(start_paused = true)]
async fn spans_that_have_nowhere_to_go_any_more_are_counted() {
    assert_eq!(dropped(None).await, 3);
}
