//! What becomes of a message of HTTP/1 on its way through one proxy, and through two: RFC 9110 and
//! RFC 9112, as they hold for a proxy.

use lab::{Pair, Proxy, Setup, service};
use model::{endpoint::Endpoint, inbound::MtlsMode};

use crate::{
    raw::{HEAD, answering, ask, has},
    talk::Application,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub(crate) fn before(application: &Application) -> Proxy {
    let endpoint = Endpoint::plain(application.address);
    Proxy::start(Setup::new("frontend").with(service(vec![endpoint])))
}

/// What the application is asked for `request`, through one proxy and through two.
async fn asked(request: &str, end: &'static str) -> [String; 2] {
    let (application, mut told) = answering(end, OK).await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    let mut asked = Vec::new();
    for to in [proxy.outbound(), pair.client.outbound()] {
        let answer = ask(to, request).await;
        assert!(answer.ends_with("ok"), "{answer}");
        asked.push(told.recv().await.unwrap());
    }
    asked.try_into().unwrap()
}

/// What a client is answered when the application says `answer`, through one proxy and through
/// two.
async fn answered(request: &str, answer: &'static str) -> [String; 2] {
    let (application, _told) = answering(HEAD, answer).await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    [ask(proxy.outbound(), request).await, ask(pair.client.outbound(), request).await]
}

#[tokio::test]
async fn what_belongs_to_the_clients_hop_stays_there() {
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close, x-mine\r\nx-mine: 1\r\n\
                   keep-alive: timeout=5\r\nproxy-connection: close\r\nte: gzip, trailers\r\n\
                   x-other: 2\r\n\r\n";
    for asked in asked(request, HEAD).await {
        let has = |name: &str| asked.to_lowercase().contains(name);
        assert!(!has("x-mine") && !has("keep-alive:") && !has("proxy-connection"), "{asked}");
        assert!(has("\r\nx-other: 2\r\n") && has("\r\nte: trailers\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn what_belongs_to_the_servers_hop_stays_there() {
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nconnection: x-mine\r\nx-mine: 1\r\nkeep-alive: timeout=5\r\n\
                  x-other: 2\r\ncontent-length: 2\r\n\r\nok";
    for answered in answered(request, answer).await {
        let has = |name: &str| answered.to_lowercase().contains(name);
        assert!(!has("x-mine") && !has("keep-alive"), "{answered}");
        assert!(has("\r\nx-other: 2\r\n"), "{answered}");
    }
}

#[tokio::test]
async fn chunk_extensions_end_at_the_first_hop() {
    let request = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                   transfer-encoding: chunked\r\n\r\n2;mine=1\r\nhi\r\n0;last=1\r\n\r\n";
    for asked in asked(request, "0\r\n\r\n").await {
        assert!(asked.ends_with("\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn trailers_of_a_request_arrive() {
    let request = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntrailer: x-sum\r\n\
                   transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
    for asked in asked(request, "x-sum: 7\r\n\r\n").await {
        assert!(has(&asked.to_lowercase(), "trailer: x-sum"), "{asked}");
    }
}

#[tokio::test]
async fn trailers_of_a_response_arrive_if_they_are_announced_and_wanted() {
    let answer = "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                  2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let wanted = "GET / HTTP/1.1\r\nhost: a\r\nconnection: te, close\r\nte: trailers\r\n\r\n";
    for answered in answered(wanted, answer).await {
        assert!(answered.to_lowercase().ends_with("\r\n0\r\nx-sum: 7\r\n\r\n"), "{answered}");
    }
    let unwanted = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for answered in answered(unwanted, answer).await {
        assert!(answered.ends_with("\r\n2\r\nok\r\n0\r\n\r\n"), "{answered}");
    }
}

#[tokio::test]
async fn interim_answers_end_at_the_proxy() {
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
                  HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    for answered in answered(request, answer).await {
        assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
        assert!(!answered.contains("link"), "{answered}");
    }
}

#[tokio::test]
async fn nobody_goes_on_with_http2_past_the_proxy() {
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings, close\r\n\
                   upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n";
    for asked in asked(request, HEAD).await {
        let asked = asked.to_lowercase();
        assert!(!asked.contains("upgrade") && !asked.contains("http2-settings"), "{asked}");
    }
}

#[tokio::test]
async fn a_request_in_absolute_form_arrives_in_origin_form() {
    let request = "GET http://a/b?c HTTP/1.1\r\nhost: A:80\r\nconnection: close\r\n\r\n";
    for asked in asked(request, HEAD).await {
        assert!(asked.starts_with("GET /b?c HTTP/1.1\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn a_request_that_names_two_hosts_is_refused() {
    let (application, mut told) = answering(HEAD, OK).await;
    let pair = Pair::start(application.address);
    let permissive = Setup::new("catalogue").serving(application.address, MtlsMode::Permissive);
    let (outbound, inbound) = (before(&application), Proxy::start(permissive));
    for to in [outbound.outbound(), inbound.inbound(), pair.client.outbound()] {
        for head in [
            "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n",
            "GET http://a/ HTTP/1.1\r\nhost: b\r\n",
            "GET http://a:8080/ HTTP/1.1\r\nhost: a\r\n",
            "GET http://b@a/ HTTP/1.1\r\nhost: a\r\n",
            "CONNECT a:443 HTTP/1.1\r\nhost: b:443\r\n",
        ] {
            let answer = ask(to, &format!("{head}connection: close\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}{answer}");
        }
    }
    assert!(told.try_recv().is_err(), "nobody was asked");
}
