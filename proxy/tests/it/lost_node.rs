//! A node that loses its power in the middle of things: nothing that is sent there arrives, and
//! nobody says so.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;
use lab::{Authority, Proxy, Setup, meshed, service};
use model::inbound::MtlsMode;
use tokio::time::timeout;

use crate::{
    namespace::{forward, in_pod},
    talk::{Application, get, http1, words},
};

const PEER: &str = "10.99.0.1:7001";
const POD: &str = "10.99.0.2:7002";

#[test]
fn a_request_under_way_to_a_node_that_is_gone_is_answered_and_its_connection_is_left() {
    let test = "a_request_under_way_to_a_node_that_is_gone_is_answered_and_its_connection_is_left";
    in_pod(&format!("lost_node::{test}"), |_, peer| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let application = runtime.block_on(Application::mirror());
        let authority = Authority::fresh();
        let server = Setup::new("catalogue").identity(authority.identity("catalogue"));
        let server = Proxy::start(server.serving(application.address, MtlsMode::Strict));
        forward(7002, server.inbound());
        peer.forward(7001, POD);
        let at: SocketAddr = PEER.parse().unwrap();
        let client = Setup::new("frontend").identity(authority.identity("frontend"));
        let client = Proxy::start(client.with(service(vec![meshed(at, "catalogue")])));
        runtime.block_on(async {
            let mut requests = http1(client.outbound()).await;
            let answer = requests.send_request(get("/")).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            words(answer).await;
            peer.vanish();
            // It takes fifteen seconds; what pings alone would notice takes fifty.
            let answer = timeout(Duration::from_secs(30), requests.send_request(get("/"))).await;
            let answer = answer.expect("it is not waited for").unwrap();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        });
    });
}
