//! WebSockets through a pair of proxies: tungstenite at either end, as the testkit uses it.

use clap::Parser;
use conformance::address;
use lab::Pair;
use testkit::{
    client::websocket::{self, WebSocketArgs},
    server::{self, ServerArgs},
};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Server {
    #[command(flatten)]
    args: ServerArgs,
}

#[derive(Parser)]
struct Client {
    #[command(flatten)]
    args: WebSocketArgs,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_comes_back_in_order() {
    let address = address::own(8080);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let server = Server::parse_from(["server", "--bind", &host, "--port", &port]);
    let stop = CancellationToken::new();
    let serving = server::run(server.args, stop.clone());
    let talking = async {
        let pair = Pair::start(address);
        let url = format!("ws://{}/ws", pair.client.outbound());
        let client =
            Client::parse_from(["client", "--url", &url, "--count", "200", "--every", "1ms"]);
        let talked = websocket::run(&client.args).await;
        stop.cancel();
        talked
    };
    let (served, talked) = tokio::join!(serving, talking);
    talked.unwrap();
    served.unwrap();
}
