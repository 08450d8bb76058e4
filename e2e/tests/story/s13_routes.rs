//! HTTPRoutes of the Gateway API: weights, header matches, and how a change arrives.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api::gateway::HTTPRoute;
use e2e::{
    Namespace,
    app::{self, Server},
    eventually,
    kubectl::kubectl,
    load::Load,
    mesh,
    namespace::{Injection, within},
    world::{run, say},
};
use kube::api::{Patch, PatchParams};
use runtime::clock::Clock;
use serde_json::{Value, json};
use testkit::load::Stats;

#[test]
fn a_route_divides_requests_by_weight_and_by_header_and_a_change_reaches_every_proxy() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "routes", Injection::On, |shop| async move {
            for version in ["v1", "v2"] {
                let name = format!("server-{version}");
                shop.apply(&Server { version, ..Server::new(&name) }.manifest()).await?;
            }
            shop.apply(PARENT).await?;
            shop.apply(&app::shell("client")).await?;
            for name in ["server-v1", "server-v2", "client"] {
                shop.rolled_out(name).await?;
            }
            shop.apply(&route(70, 30)).await?;
            the_route_says_that_it_is_accepted(&shop).await?;
            let loads = [
                Load::start(&shop, "load-a", "http://server:8080/", 200).await?,
                Load::start(&shop, "load-b", "http://server:8080/", 200).await?,
            ];
            divided(&loads, 30.0).await?;
            headers_decide(&shop).await?;
            a_change_arrives_everywhere(&shop, &loads).await
        })
        .await
    });
}

#[test]
fn a_route_to_what_is_not_there_says_so_and_harms_nothing_else() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "bad-route", Injection::On, |shop| async move {
            shop.apply(&Server::new("server").manifest()).await?;
            shop.apply(&app::shell("client")).await?;
            shop.rolled_out("server").await?;
            shop.rolled_out("client").await?;
            let nowhere = route(1, 1).replace("server-v1", "nowhere");
            shop.apply(&nowhere.replace("name: route}", "name: nowhere}")).await?;
            eventually("the status names it", Duration::from_secs(20), || async {
                let (status, message) = condition(&shop, "nowhere", "ResolvedRefs").await?;
                ensure!(status == "False" && message.contains("nowhere"), "{status} {message}");
                Ok(())
            })
            .await?;
            kubectl(["delete", "httproute", "nowhere", "-n", &shop.name]).await?;
            shop.described("deploy/client", "http://server:8080/", &[]).await.map(drop)
        })
        .await
    });
}

async fn the_route_says_that_it_is_accepted(shop: &Namespace) -> Result<()> {
    for kind in ["Accepted", "ResolvedRefs"] {
        eventually("the route is accepted", Duration::from_secs(20), || async {
            let (status, message) = condition(shop, "route", kind).await?;
            ensure!(status == "True", "{kind} is {status}: {message}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// A condition of a route, towards its first parent.
async fn condition(shop: &Namespace, route: &str, kind: &str) -> Result<(String, String)> {
    let path = format!("{{.status.parents[0].conditions[?(@.type==\"{kind}\")]");
    let output = format!("jsonpath={path}.status}} {path}.message}}");
    let said = kubectl(["get", "httproute", route, "-n", &shop.name, "-o", &output]).await?;
    let (status, message) = said.split_once(' ').context("no condition yet")?;
    Ok((status.to_owned(), message.to_owned()))
}

/// That the second version gets its part of 5,000 requests, give or take two per cent.
async fn divided(loads: &[Load], percent: f64) -> Result<()> {
    for load in loads {
        load.reset().await?;
    }
    let counted = eventually("5,000 requests", Duration::from_secs(40), || async {
        let mut all = (0, 0);
        for load in loads {
            let stats = load.expect_no_failure(0).await?;
            all = (all.0 + stats.version("v1").total, all.1 + stats.version("v2").total);
        }
        ensure!(all.0 + all.1 >= 5000, "{all:?}");
        Ok(all)
    })
    .await?;
    // Exact: both are far below what a float holds.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
    let got = 100.0 * counted.1 as f64 / (counted.0 + counted.1) as f64;
    ensure!((got - percent).abs() <= 2.0, "{got:.1} % of {counted:?} went to v2");
    Ok(())
}

async fn headers_decide(shop: &Namespace) -> Result<()> {
    for _ in 0..5 {
        let flags = ["--header=x-user: tester"];
        let seen = shop.described("deploy/client", "http://server:8080/", &flags).await?;
        ensure!(seen.version == "v2", "{} answered a tester", seen.version);
    }
    Ok(())
}

/// From when the API server was asked for the change, on a connection that is up, until the last
/// answer of the version that gets nothing any more. How long that takes is shown; it is a claim
/// where nothing else runs.
async fn a_change_arrives_everywhere(shop: &Namespace, loads: &[Load]) -> Result<()> {
    let mut slowest = Duration::ZERO;
    for (v1, v2) in [(0, 100), (100, 0), (0, 100)] {
        let asked = change(shop, v1, v2).await?;
        let (winner, loser) = if v1 == 0 { ("v2", "v1") } else { ("v1", "v2") };
        for load in loads {
            let stats = settled(load, winner, loser).await?;
            let last = stats.version(loser).last_unix_ms;
            slowest = slowest.max(Duration::from_millis(last.saturating_sub(asked)));
        }
    }
    say(&format!("a change of weights reached the last proxy after at most {slowest:?}"));
    let most = shop.world().amount(Duration::from_secs(20), Duration::from_millis(500));
    ensure!(slowest <= most, "a change took {slowest:?}");
    Ok(())
}

/// Changes the weights without kubectl, whose own start would be measured; says when.
async fn change(shop: &Namespace, v1: u32, v2: u32) -> Result<u64> {
    let routes = shop.world().namespaced::<HTTPRoute>(&shop.name);
    let rules = Patch::Merge(json!({"spec": {"rules": rules(v1, v2)}}));
    let asked = Clock::system().unix_millis();
    routes.patch("route", &PatchParams::default(), &rules).await?;
    Ok(asked)
}

/// Waits until only one version has answered for a second.
async fn settled(load: &Load, winner: &str, loser: &str) -> Result<Stats> {
    eventually("the change has arrived", Duration::from_secs(20), || async {
        let stats = load.expect_no_failure(0).await?;
        let [won, lost] = [winner, loser].map(|version| stats.version(version).last_unix_ms);
        // By the winner's answers: load that stands still shows nothing.
        ensure!(won >= lost + 1000, "{loser} answered at {lost}, {winner} at {won}");
        Ok(stats)
    })
    .await
}

fn route(v1: u32, v2: u32) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: route}}
spec:
  parentRefs: [{{group: '', kind: Service, name: server, port: 8080}}]
  rules: {}
",
        rules(v1, v2)
    )
}

fn rules(v1: u32, v2: u32) -> Value {
    json!([
        {
            "matches": [{"headers": [{"name": "x-user", "value": "tester"}]}],
            "backendRefs": [{"name": "server-v2", "port": 8080}],
        },
        {
            "backendRefs": [
                {"name": "server-v1", "port": 8080, "weight": v1},
                {"name": "server-v2", "port": 8080, "weight": v2},
            ],
        },
    ])
}

/// The service that callers name. It selects nothing that the route does not.
const PARENT: &str = "apiVersion: v1
kind: Service
metadata: {name: server, labels: {app: server}}
spec:
  selector: {app: server-v1}
  ports: [{name: http, port: 8080}]
";
