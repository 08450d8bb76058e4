//! Shares of traffic: between a rollout's revisions, and between a route's backends.

use std::{net::SocketAddr, sync::Arc};

use futures::future::join_all;
use lab::{Proxy, Setup, endpoints, of_revision, plain_service, service, service_id};
use model::{
    decision::RolloutId,
    endpoint::{Endpoint, Endpoints, Readiness},
    key::Key,
    resource::Resource,
    revision::Revision,
    route::{HeaderMatch, PathMatch, RequestMatch, Route, WeightedBackend},
    service::{Protocol, Service, ServiceId, Share, Split},
    weight::Weight,
};

use crate::talk::{Application, get, http1, text, words};

async fn naming(name: &'static str) -> Application {
    Application::http(move |_| async move { text(name) }).await
}

pub(crate) fn split(percent: u8) -> Split {
    Split {
        rollout: RolloutId::new("shop", "catalogue"),
        decision: 1,
        canary: Revision::new("new").unwrap(),
        share: Share::Weighted(Weight::from_percent(percent).unwrap()),
    }
}

pub(crate) fn under_rollout(split: Split) -> (Key, Resource) {
    let service = plain_service(Protocol::Detect, Some(split));
    (Key::Service(service_id()), Resource::Service(Arc::new(service)))
}

/// How many of `count` requests each of `names` answered.
async fn answers<const N: usize>(to: SocketAddr, count: usize, names: [&str; N]) -> [usize; N] {
    let mut client = http1(to).await;
    let mut answers = [0; N];
    for _ in 0..count {
        let name = words(client.send_request(get("/")).await.unwrap()).await;
        answers[names.iter().position(|known| *known == name).unwrap()] += 1;
    }
    answers
}

fn gated(endpoint: Endpoint) -> Endpoint {
    Endpoint { readiness: Readiness::Gated, ..endpoint }
}

#[tokio::test]
async fn a_canary_gets_its_share_and_its_rows() {
    let (old, new) = (naming("old").await, naming("new").await);
    let both = vec![
        of_revision(Endpoint::plain(old.address), "old"),
        gated(of_revision(Endpoint::plain(new.address), "new")),
    ];
    let setup = Setup::new("frontend").with(service(both)).with([under_rollout(split(30))]);
    let proxy = Proxy::start(setup);
    let [old, new] = answers(proxy.outbound(), 1_000, ["old", "new"]).await;
    assert!((297..=303).contains(&new), "{old} and {new}");
    let rows = proxy.plane.rows.snapshot();
    let attempts: Vec<_> = rows.iter().map(|row| (row.attempts, row.failures)).collect();
    assert_eq!(attempts, [(old as u64, 0), (new as u64, 0)]);
    assert_eq!(rows[0].revision, None);
    assert_eq!(rows[1].revision, Some(Revision::new("new").unwrap()));
}

#[tokio::test]
async fn a_new_weight_holds_for_the_next_request_on_every_connection() {
    let (old, new) = (naming("old").await, naming("new").await);
    let both = vec![
        of_revision(Endpoint::plain(old.address), "old"),
        of_revision(Endpoint::plain(new.address), "new"),
    ];
    let setup = Setup::new("frontend").with(service(both)).with([under_rollout(split(100))]);
    let proxy = Proxy::start(setup);
    let mut clients = [http1(proxy.outbound()).await, http1(proxy.outbound()).await];
    for (percent, expected) in [(100, "new"), (0, "old"), (100, "new")] {
        let (key, resource) = under_rollout(split(percent));
        proxy.feed().push(key, resource);
        for client in &mut clients {
            let name = words(client.send_request(get("/")).await.unwrap()).await;
            assert_eq!(name, expected);
        }
    }
}

#[tokio::test]
async fn a_canary_without_endpoints_has_failed_and_the_base_serves() {
    let old = naming("old").await;
    let only = vec![of_revision(Endpoint::plain(old.address), "old")];
    let setup = Setup::new("frontend").with(service(only)).with([under_rollout(split(50))]);
    let proxy = Proxy::start(setup);
    assert_eq!(answers(proxy.outbound(), 100, ["old"]).await, [100]);
    let canary = proxy.plane.rows.snapshot().remove(1);
    assert!((45..=55).contains(&canary.attempts), "{canary:?}");
    assert_eq!(canary.attempts, canary.failures);
    assert!(canary.first_failure.is_some());
}

#[tokio::test]
async fn what_a_canary_answers_badly_counts_against_it_and_not_against_the_base() {
    let old = naming("old").await;
    let new = Application::http(|_| async {
        let mut response = text("new");
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    let new = new.await;
    let both = vec![
        of_revision(Endpoint::plain(old.address), "old"),
        of_revision(Endpoint::plain(new.address), "new"),
    ];
    let setup = Setup::new("frontend").with(service(both)).with([under_rollout(split(20))]);
    let proxy = Proxy::start(setup);
    let [_, new] = answers(proxy.outbound(), 100, ["old", "new"]).await;
    let rows = proxy.plane.rows.snapshot();
    assert_eq!((rows[0].failures, rows[1].failures), (0, new as u64));
}

#[tokio::test]
async fn a_canary_that_cannot_be_reached_fails_and_its_requests_do_not() {
    let old = naming("old").await;
    let gone = naming("gone").await.address;
    let both = vec![
        of_revision(Endpoint::plain(old.address), "old"),
        of_revision(Endpoint::plain(gone), "new"),
    ];
    let setup = Setup::new("frontend").with(service(both)).with([under_rollout(split(50))]);
    let proxy = Proxy::start(setup);
    assert_eq!(answers(proxy.outbound(), 100, ["old"]).await, [100]);
    let rows = proxy.plane.rows.snapshot();
    assert!(rows[1].failures >= 45, "{rows:?}");
    assert_eq!(rows[0].failures, 0);
}

#[tokio::test]
async fn after_promotion_gated_endpoints_serve_like_all_others() {
    let new = naming("new").await;
    let only = vec![gated(of_revision(Endpoint::plain(new.address), "new"))];
    let joined = Split { share: Share::Joined, ..split(0) };
    let setup = Setup::new("frontend").with(service(only)).with([under_rollout(joined)]);
    let proxy = Proxy::start(setup);
    assert_eq!(answers(proxy.outbound(), 10, ["new"]).await, [10]);
}

/// A service with routes, whose backends `v1` and `v2` are at these addresses.
fn routed(routes: Vec<Route>, v1: SocketAddr, v2: SocketAddr) -> Vec<(Key, Resource)> {
    let plain = plain_service(Protocol::Http, None);
    let backend = plain.backends[&service_id()].clone();
    let mut resources = service(Vec::new());
    let mut backends = plain.backends.clone();
    for (id, address) in [(version("v1"), v1), (version("v2"), v2)] {
        backends.insert(id.clone(), backend.clone());
        let endpoints = vec![Endpoint::plain(address)];
        let endpoints = Arc::new(Endpoints { id: id.clone(), endpoints });
        resources.push((Key::Endpoints(id), Resource::Endpoints(endpoints)));
    }
    let service = Service { routes, backends, ..plain };
    resources.push((Key::Service(service_id()), Resource::Service(Arc::new(service))));
    resources
}

fn version(name: &str) -> ServiceId {
    ServiceId::new(&format!("catalogue-{name}.shop.svc.cluster.local"), 80)
}

fn to(name: &str, weight: u32) -> WeightedBackend {
    WeightedBackend { service: Some(version(name)), weight }
}

fn route(name: &str, matches: RequestMatch, backends: Vec<WeightedBackend>) -> Route {
    Route { name: name.into(), matches, backends }
}

#[tokio::test]
async fn a_route_divides_requests_by_weight() {
    let (v1, v2) = (naming("v1").await, naming("v2").await);
    let routes = vec![route("shop/a", RequestMatch::default(), vec![to("v1", 70), to("v2", 30)])];
    let setup = Setup::new("frontend").with(routed(routes, v1.address, v2.address));
    let proxy = Proxy::start(setup);
    let [_, v2] = answers(proxy.outbound(), 1_000, ["v1", "v2"]).await;
    assert_eq!(v2, 300);
}

#[tokio::test]
async fn a_header_chooses_a_route_and_what_matches_none_is_not_found() {
    let (v1, v2) = (naming("v1").await, naming("v2").await);
    let header = HeaderMatch { name: "x-version".into(), value: "2".into() };
    let path = PathMatch::prefix("/items");
    let with_header =
        RequestMatch { path: path.clone(), headers: vec![header], ..RequestMatch::default() };
    let without = RequestMatch { path, ..RequestMatch::default() };
    let routes = vec![
        route("shop/header", with_header, vec![to("v2", 1)]),
        route("shop/rest", without, vec![to("v1", 1)]),
    ];
    let setup = Setup::new("frontend").with(routed(routes, v1.address, v2.address));
    let proxy = Proxy::start(setup);
    let mut client = http1(proxy.outbound()).await;
    let mut request = get("/items/1");
    request.headers_mut().insert("x-version", http::HeaderValue::from_static("2"));
    assert_eq!(words(client.send_request(request).await.unwrap()).await, "v2");
    assert_eq!(words(client.send_request(get("/items/1")).await.unwrap()).await, "v1");
    let response = client.send_request(get("/elsewhere")).await.unwrap();
    assert_eq!(response.status(), http::StatusCode::NOT_FOUND);
    assert_eq!(proxy.counted("istio_requests_total", &["response_flags=\"NR\""]), 1.0);
}

#[tokio::test]
async fn a_backend_that_does_not_resolve_gets_its_share_of_failures() {
    let v1 = naming("v1").await;
    let lost = WeightedBackend { service: None, weight: 1 };
    let routes = vec![route("shop/a", RequestMatch::default(), vec![to("v1", 3), lost])];
    let setup = Setup::new("frontend").with(routed(routes, v1.address, v1.address));
    let proxy = Proxy::start(setup);
    let mut client = http1(proxy.outbound()).await;
    let mut failures = 0;
    for _ in 0..40 {
        let response = client.send_request(get("/")).await.unwrap();
        failures += usize::from(response.status() == http::StatusCode::INTERNAL_SERVER_ERROR);
        words(response).await;
    }
    assert_eq!(failures, 10);
}

#[tokio::test]
async fn every_endpoint_of_a_service_gets_requests() {
    let names = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let applications = join_all(names.map(naming)).await;
    let all = applications.iter().map(|application| Endpoint::plain(application.address));
    let proxy = Proxy::start(Setup::new("frontend").with(service(all.collect())));
    let answers = answers(proxy.outbound(), 500, names).await;
    assert!(answers.iter().all(|count| (1..250).contains(count)), "{answers:?}");
}

#[tokio::test]
async fn endpoints_that_come_and_go_are_followed_without_a_new_connection() {
    let (one, other) = (naming("one").await, naming("other").await);
    let only = |application: &Application| vec![Endpoint::plain(application.address)];
    let proxy = Proxy::start(Setup::new("frontend").with(service(only(&one))));
    let mut client = http1(proxy.outbound()).await;
    assert_eq!(words(client.send_request(get("/")).await.unwrap()).await, "one");
    proxy.feed().push(Key::Endpoints(service_id()), endpoints(only(&other)));
    assert_eq!(words(client.send_request(get("/")).await.unwrap()).await, "other");
}
