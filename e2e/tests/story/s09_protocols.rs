//! Every protocol passes through, in its own manner and at any length.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Namespace,
    app::{self, Server},
    eventually,
    kubectl::exec,
    mesh,
    namespace::{Injection, within},
    world::{run, say},
};
use serde::de::DeserializeOwned;
use testkit::{
    client::{
        greeting::Greeted, grpc::Called, upload::Uploaded, watch::Watched, websocket::Echoed,
    },
    smtp::Mailed,
    tcp::Timed,
};

#[test]
fn every_protocol_passes_through() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "protocols", Injection::On, |shop| async move {
            shop.apply(&Server::new("server").manifest()).await?;
            shop.apply(&app::shell("client")).await?;
            shop.apply(&tcp("greeter", "tcp-server-first", 2525)).await?;
            shop.apply(&tcp("echo", "tcp-echo", 9000)).await?;
            shop.apply(&tcp("mail", "smtp-server", 2526)).await?;
            shop.apply(MARIADB).await?;
            shop.apply(WEB_ON_MARIADBS_PORT).await?;
            for direct in [&tcp("mail-direct", "smtp-server", 2526), &app::shell("client-direct")] {
                shop.apply(&without_proxy(direct)).await?;
            }
            shop.apply(&without_proxy(&mariadb_named("mariadb-direct"))).await?;
            for name in ["server", "client", "greeter", "echo", "mail"] {
                shop.rolled_out(name).await?;
            }
            let (stream, rest) =
                Box::pin(async { tokio::join!(a_minute_of_grpc(&shop), everything_else(&shop)) })
                    .await;
            stream.context("a stream of gRPC")?;
            rest?;
            eventually("all is counted as mutual TLS", Duration::from_secs(20), || async {
                all_of_it_over_mutual_tls(&shop).await
            })
            .await
        })
        .await
    });
}

async fn everything_else(shop: &Namespace) -> Result<()> {
    both_versions_of_http(shop).await.context("HTTP")?;
    all_kinds_of_grpc(shop).await.context("gRPC")?;
    websocket(shop).await.context("WebSocket")?;
    tcp_of_both_manners(shop).await.context("TCP")?;
    mariadb(shop).await.context("MariaDB")?;
    who_speaks_first(shop).await.context("servers that speak first")?;
    upload(shop).await.context("upload")
}

async fn both_versions_of_http(shop: &Namespace) -> Result<()> {
    let first = shop.described("deploy/client", "http://server:8080/one", &[]).await?;
    ensure!(first.protocol == "HTTP/1.1" && first.path == "/one", "{first:?}");
    let second = shop.described("deploy/client", "http://server:8080/two", &["--h2c"]).await?;
    ensure!(second.protocol == "HTTP/2.0" && second.path == "/two", "{second:?}");
    for seen in [first, second] {
        let header = seen.header("x-forwarded-client-cert").context("no client certificate")?;
        ensure!(header.contains("/sa/client"), "{header}");
    }
    Ok(())
}

async fn all_kinds_of_grpc(shop: &Namespace) -> Result<()> {
    for kind in ["pay", "receipts", "settle"] {
        let called: Called = client(shop, &["grpc-client", URL, kind, "--count=50"]).await?;
        ensure!(called.count == 50, "{kind}: {called:?}");
    }
    Ok(())
}

async fn a_minute_of_grpc(shop: &Namespace) -> Result<()> {
    let flags = ["grpc-client", URL, "watch", "--every=100ms", "--duration=60s"];
    let watched: Watched = client(shop, &flags).await?;
    ensure!(watched.is_whole() && watched.heard > 300, "{watched:?}");
    ensure!(watched.longest_silence_ms < 3000, "{watched:?}");
    Ok(())
}

async fn websocket(shop: &Namespace) -> Result<()> {
    let url = "--url=ws://server:8080/ws";
    let echoed: Echoed = client(shop, &["ws-client", url, "--count=100"]).await?;
    ensure!(echoed.messages == 100, "{echoed:?}");
    Ok(())
}

/// The server that speaks first is not kept waiting for a client that never would.
async fn tcp_of_both_manners(shop: &Namespace) -> Result<()> {
    let echo = ["tcp-client", "--address=echo:9000", "--bytes=1MiB"];
    let timed: Timed = client(shop, &echo).await?;
    ensure!(timed.bytes == 1 << 20, "{timed:?}");
    let greeter = ["tcp-client", "--address=greeter:2525", "--server-first", "--count=5"];
    let timed: Timed = client(shop, &greeter).await?;
    ensure!(timed.banner.as_deref() == Some("220 testkit ready"), "{timed:?}");
    let waited = Duration::from_micros(timed.banner_us.context("no banner")?);
    say(&format!("a server that speaks first was heard after {waited:?}"));
    let most = shop.world().amount(NO_STALL, Duration::from_millis(500));
    ensure!(waited < most, "the greeting took {waited:?}");
    Ok(())
}

async fn mariadb(shop: &Namespace) -> Result<()> {
    shop.rolled_out("mariadb").await?;
    let query = ["mariadb", "--host=mariadb", "--batch", "-N", "--execute=SELECT 6 * 7"];
    eventually("an answer over the mesh", Duration::from_secs(20), || async {
        let said = exec(&shop.name, "deploy/database-client", "app", &query).await?;
        ensure!(said.trim() == "42", "{said}");
        Ok(())
    })
    .await
}

/// Without any annotation, a server that speaks first is heard as it is without a mesh, and
/// requests on the same port number elsewhere are requests.
async fn who_speaks_first(shop: &Namespace) -> Result<()> {
    let mailed: Mailed = client(shop, &["smtp-client", "--address=mail:2526", "--count=3"]).await?;
    ensure!(mailed.letters == 3, "{mailed:?}");
    for name in ["mail-direct", "client-direct", "mariadb-direct"] {
        shop.rolled_out(name).await?;
    }
    for (server, port) in [("mail", 2526), ("mariadb", 3306)] {
        let meshed = greeted(shop, "deploy/client", &format!("{server}:{port}")).await?;
        let direct = format!("{server}-direct:{port}");
        let direct = greeted(shop, "deploy/client-direct", &direct).await?;
        let more = Duration::from_micros(meshed.median_us.saturating_sub(direct.median_us));
        say(&format!("the mesh adds {more:?} until {server} is heard"));
        let most = shop.world().amount(NO_STALL, MOST_ADDED);
        ensure!(more <= most, "{server}: {meshed:?} instead of {direct:?}");
    }
    let web = shop.described("deploy/client", "http://web:3306/one", &[]).await?;
    ensure!(web.protocol == "HTTP/1.1", "{web:?}");
    ensure!(web.header("x-forwarded-client-cert").is_some(), "{web:?}");
    Ok(())
}

async fn greeted(shop: &Namespace, from: &str, address: &str) -> Result<Greeted> {
    let said = shop
        .testkit(from, &["greeting-client", &format!("--address={address}"), "--count=20"])
        .await?;
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("{address}: {said}"))
}

async fn upload(shop: &Namespace) -> Result<()> {
    for flags in [&["--bytes=1GiB"][..], &["--bytes=64MiB", "--chunked"]] {
        let mut command = vec!["upload", "--url=http://server:8080/upload"];
        command.extend(flags);
        let _whole: Uploaded = client(shop, &command).await?;
    }
    Ok(())
}

/// As both ends have counted it, each protocol under its own metric; nothing went in plain text.
async fn all_of_it_over_mutual_tls(shop: &Namespace) -> Result<()> {
    for server in ["server", "greeter", "echo", "mail"] {
        let client = "client";
        over_mutual_tls(shop, client, server).await?;
    }
    over_mutual_tls(shop, "database-client", "mariadb").await?;
    let scrape = shop.scrape("deploy/client", "app=server").await?;
    for labels in [
        [("request_protocol", "http"), ("response_code", "200")],
        [("request_protocol", "grpc"), ("grpc_response_status", "0")],
        // The WebSocket.
        [("request_protocol", "http"), ("response_code", "101")],
    ] {
        let labels = [&labels[..], &[("connection_security_policy", "mutual_tls")]].concat();
        scrape.expect_some("istio_requests_total", &labels)?;
    }
    Ok(())
}

async fn over_mutual_tls(shop: &Namespace, client: &str, server: &str) -> Result<()> {
    let is_http = server == "server";
    let metric =
        if is_http { "istio_requests_total" } else { "istio_tcp_connections_opened_total" };
    // A stream that reached nobody is counted, too, as it ended; one that did is opened with `-`.
    let served: &[_] = if is_http { &[] } else { &[("response_flags", "-")] };
    for (reporter, pod) in [("source", client), ("destination", server)] {
        let to = [("reporter", reporter), ("destination_service_name", server)];
        let security =
            |policy| [&to[..], &[("connection_security_policy", policy)], served].concat();
        let scrape = shop.scrape("deploy/client", &format!("app={pod}")).await?;
        scrape.expect_some(metric, &security("mutual_tls"))?;
        scrape.expect(metric, &security("none"), 0)?;
    }
    Ok(())
}

/// What a client of testkit prints last. It exits with an error if anything was amiss.
async fn client<T: DeserializeOwned>(shop: &Namespace, command: &[&str]) -> Result<T> {
    let said = shop.testkit("deploy/client", command).await?;
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("{command:?} said {said}"))
}

/// A server whose Service says nothing of what it speaks.
fn tcp(name: &str, command: &str, port: u16) -> String {
    Server::new(name)
        .manifest()
        .replace(
            &format!("server, --name={name}, --version=v1, --port=8080"),
            &format!("{command}, --port={port}"),
        )
        .replace(
            "{httpGet: {path: /healthz, port: 8080}",
            &format!("{{tcpSocket: {{port: {port}}}"),
        )
        .replace("{name: http, port: 8080}", &format!("{{port: {port}}}"))
        .replace("containerPort: 8080", &format!("containerPort: {port}"))
}

/// The same pods without a proxy.
fn without_proxy(manifest: &str) -> String {
    let template = "    metadata: {labels: {";
    manifest.replace(template, &format!("{template}serin.dev/injection: disabled, "))
}

/// MariaDB under another name.
fn mariadb_named(name: &str) -> String {
    let server = MARIADB.split("---").take(2).collect::<Vec<_>>().join("---");
    server
        .replace("name: mariadb", &format!("name: {name}"))
        .replace("app: mariadb", &format!("app: {name}"))
}

/// What the mesh may add until a server that speaks first is heard, where nothing else runs.
const MOST_ADDED: Duration = Duration::from_millis(20);

/// What a busy machine may take for the same. A server that is kept waiting for its client is never
/// heard.
const NO_STALL: Duration = Duration::from_secs(5);

const WEB_ON_MARIADBS_PORT: &str = "apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: server}
  ports: [{port: 3306, targetPort: 8080}]
";

const URL: &str = "--url=http://server:8080";

const MARIADB: &str = "apiVersion: v1
kind: Service
metadata: {name: mariadb, labels: {app: mariadb}}
spec:
  selector: {app: mariadb}
  ports: [{port: 3306}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: mariadb, labels: {app: mariadb}}
spec:
  selector: {matchLabels: {app: mariadb}}
  template:
    metadata: {labels: {app: mariadb}}
    spec:
      terminationGracePeriodSeconds: 3
      containers:
        - name: app
          image: serin.dev/mariadb:local
          ports: [{containerPort: 3306}]
          readinessProbe: {tcpSocket: {port: 3306}, periodSeconds: 1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: database-client, labels: {app: database-client}}
spec:
  selector: {matchLabels: {app: database-client}}
  template:
    metadata: {labels: {app: database-client}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        # A second server only because there is no shell in the image to sleep in.
        - {name: app, image: 'serin.dev/mariadb:local'}
";
