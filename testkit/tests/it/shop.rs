//! Claims about `testkit shop`: the four services, each a process of its own.

use std::net::SocketAddr;

use http::HeaderMap;
use testkit::{
    load::Stats,
    shop::{Broken, Page},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::process::{DEADLINE, Process};

/// The shop, its frontend at `address`.
struct Shop {
    address: SocketAddr,
    payment: Option<Process>,
    _others: Vec<Process>,
}

impl Shop {
    async fn open(payment: &[&str]) -> Self {
        async fn start(role: &str, extra: &[&str]) -> (Process, String, SocketAddr) {
            let args = ["shop", role, "--port", "0", "--bind", "127.0.0.1"];
            let args: Vec<_> = args.into_iter().chain(extra.iter().copied()).collect();
            let (process, address) = Process::serving(&args).await;
            (process, format!("http://{address}"), address)
        }
        let (payment, url, _) = start("payment", payment).await;
        let (checkout, checkout_url, _) = start("checkout", &["--payment-url", &url]).await;
        let (catalogue, catalogue_url, _) = start("catalogue", &["--version", "v5"]).await;
        let urls = ["--catalogue-url", &catalogue_url, "--checkout-url", &checkout_url];
        let (frontend, _, address) = start("frontend", &urls).await;
        Self { address, payment: Some(payment), _others: vec![checkout, catalogue, frontend] }
    }

    /// Status line, headers and body of one visit.
    async fn visit(&self) -> (u16, HeaderMap, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\nhost: shop\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| testkit::flags::header(line).unwrap()).collect();
        (status, headers, body.as_bytes().to_vec())
    }
}

#[tokio::test]
async fn a_visit_reaches_all_four_services_and_names_their_versions() {
    let shop = Shop::open(&["--version", "v9"]).await;
    let (status, headers, body) = shop.visit().await;
    assert_eq!(status, 200);
    let page: Page = serde_json::from_slice(&body).unwrap();
    assert_eq!(page.items.len(), 3);
    let services = [&page.by, &page.receipt.by, &page.receipt.payment];
    assert_eq!(services.map(|by| by.service.as_str()), ["frontend", "checkout", "payment"]);
    for (header, version) in [
        ("x-version", "v1"),
        ("x-version-frontend", "v1"),
        ("x-version-catalogue", "v5"),
        ("x-version-checkout", "v1"),
        ("x-version-payment", "v9"),
    ] {
        assert_eq!(headers[header], version, "{header}");
    }
}

#[tokio::test]
async fn a_payment_that_fails_is_seen_at_the_frontend_with_its_version() {
    let shop = Shop::open(&["--version", "v9", "--error-ratio", "1"]).await;
    let (status, headers, body) = shop.visit().await;
    assert_eq!((status, &headers["x-version-payment"]), (502, &"v9".parse().unwrap()));
    let broken: Broken = serde_json::from_slice(&body).unwrap();
    assert_eq!(broken.failed, "checkout");
}

#[tokio::test]
async fn load_on_the_frontend_can_count_the_versions_of_payment() {
    let shop = Shop::open(&["--version", "v9"]).await;
    let url = format!("http://{}/", shop.address);
    let mut load = Process::start(&[
        "load",
        "--quiet",
        "--url",
        &url,
        "--rate",
        "100",
        "--duration",
        "500ms",
        "--version-header",
        "x-version-payment",
    ]);
    let stats: Stats = load.next().await;
    assert_eq!((stats.ok, stats.version("v9").total), (50, 50), "{stats:?}");
}

#[tokio::test]
async fn without_payment_the_frontend_says_who_failed() {
    let mut shop = Shop::open(&[]).await;
    let payment = shop.payment.take().unwrap();
    payment.terminate().await;
    assert_eq!(payment.exit_code().await, 0);
    let (status, _, body) = shop.visit().await;
    let broken: Broken = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &*broken.failed), (502, "checkout"));
}
