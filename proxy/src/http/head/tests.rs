use std::net::SocketAddr;

use http::{HeaderMap, HeaderValue, Request, Version, header};

use super::{Head, Hop, strip_hop};
use crate::http::{CLIENT_VERSION, marks::Marks};

fn head(request: http::request::Builder) -> Head {
    Head::from_parts(request.body(()).unwrap().into_parts().0)
}

fn get(uri: &str, host: &str) -> Head {
    head(Request::get(uri).header(header::HOST, host))
}

fn someone() -> SocketAddr {
    "[2001:db8::1]:80".parse().unwrap()
}

#[test]
fn what_belongs_to_one_hop_is_removed_and_nothing_else() {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, "keep-alive, X-Mine".parse().unwrap());
    headers.insert("x-mine", "1".parse().unwrap());
    headers.insert("keep-alive", "timeout=5".parse().unwrap());
    headers.insert("transfer-encoding", "chunked".parse().unwrap());
    headers.insert("x-theirs", "2".parse().unwrap());
    let marks = Marks::of(&headers);
    strip_hop(&mut headers, marks);
    assert_eq!(headers.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["x-theirs"]);
}

#[test]
fn what_is_named_beside_what_is_no_name_is_removed_all_the_same() {
    let mut headers = HeaderMap::new();
    headers.append(header::CONNECTION, HeaderValue::from_bytes(b"\xe9, x-mine").unwrap());
    headers.append(header::CONNECTION, "a b,\tX-Mine-Too ,,".parse().unwrap());
    headers.insert("x-mine", "1".parse().unwrap());
    headers.insert("x-mine-too", "2".parse().unwrap());
    let marks = Marks::of(&headers);
    strip_hop(&mut headers, marks);
    assert!(headers.is_empty(), "{headers:?}");
}

#[test]
fn a_connection_that_is_kept_may_name_others_as_well() {
    for values in [&["keep-alive"][..], &["keep-alive", "x-mine"], &["x-mine", "keep-alive"]] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONNECTION, value.parse().unwrap());
        }
        headers.insert("x-mine", "1".parse().unwrap());
        let marks = Marks::of(&headers);
        strip_hop(&mut headers, marks);
        assert_eq!(headers.is_empty(), values.len() > 1, "{values:?}: {headers:?}");
    }
}

#[test]
fn the_wish_for_trailers_stays_and_other_codings_go() {
    for (te, left) in
        [("trailers", Some("trailers")), ("gzip, trailers", Some("trailers")), ("gzip", None)]
    {
        let mut headers = HeaderMap::new();
        headers.insert(header::TE, te.parse().unwrap());
        headers.insert(header::CONNECTION, "te".parse().unwrap());
        let marks = Marks::of(&headers);
        strip_hop(&mut headers, marks);
        assert_eq!(headers.get(header::TE).map(|te| te.to_str().unwrap()), left, "{te}");
    }
}

#[test]
fn between_proxies_host_version_and_target_arrive_as_they_were() {
    let sent = get("/a?b=c", "shop.example:8080").request(Hop::Mesh, someone(), ());
    assert_eq!(sent.uri(), "http://shop.example:8080/a?b=c");
    assert_eq!(sent.headers()[CLIENT_VERSION], "1.1");
    let mut arrived = Head::from_parts(sent.into_parts().0);
    arrived.restore_version();
    let request = arrived.request(Hop::Http1, someone(), ());
    assert_eq!(request.version(), Version::HTTP_11);
    assert_eq!(request.uri(), "/a?b=c");
    assert_eq!(request.headers()[header::HOST], "shop.example:8080");
    assert!(!request.headers().contains_key(CLIENT_VERSION));
}

#[test]
fn between_proxies_http1_says_as_much_as_http2() {
    let client = head(Request::get("/a?b=c").version(Version::HTTP_10));
    let sent = client.request(Hop::MeshHttp1, someone(), ());
    assert_eq!((sent.version(), sent.uri().path()), (Version::HTTP_11, "/a"));
    assert_eq!(sent.headers()[CLIENT_VERSION], "1.0");
    assert_eq!(sent.headers()[header::HOST], "[2001:db8::1]:80");
    let mut arrived = Head::from_parts(sent.into_parts().0);
    arrived.restore_version();
    assert_eq!(arrived.version, Version::HTTP_10);
}

#[test]
fn a_client_that_names_no_host_is_given_none() {
    let sent = head(Request::get("/").version(Version::HTTP_10)).request(Hop::Mesh, someone(), ());
    assert_eq!(sent.uri(), "http://[2001:db8::1]:80/");
    let mut arrived = Head::from_parts(sent.into_parts().0);
    arrived.restore_version();
    assert_eq!(arrived.request(Hop::Http1, someone(), ()).version(), Version::HTTP_10);
}

#[test]
fn a_host_that_is_no_authority_is_not_passed_on() {
    assert!(!get("/", "not a host").is_well_formed());
}

#[test]
fn the_whole_server_can_be_asked_for() {
    let sent =
        head(Request::options("*").header(header::HOST, "a")).request(Hop::Mesh, someone(), ());
    let arrived = Head::from_parts(sent.into_parts().0);
    assert_eq!(arrived.request(Hop::Http1, someone(), ()).uri(), "*");
}

#[test]
fn a_client_of_http2_gets_a_host_header_on_http1() {
    let sent = head(Request::get("http://a/b").version(Version::HTTP_2));
    assert_eq!(sent.request(Hop::Http1, someone(), ()).headers()[header::HOST], "a");
}

#[test]
fn a_client_of_http2_that_names_nobody_asks_whom_it_reached() {
    let sent = head(Request::get("/b").version(Version::HTTP_2));
    assert_eq!(sent.request(Hop::Http1, someone(), ()).headers()[header::HOST], "[2001:db8::1]:80");
}

#[test]
fn what_only_proxies_may_say_is_removed() {
    let mut head = head(Request::get("/").header("x-forwarded-client-cert", "URI=spiffe://forged"));
    head.strip_claims();
    assert!(head.headers.is_empty());
}

#[test]
fn a_length_beside_a_coding_is_removed() {
    let request =
        Request::post("/").header("content-length", "4").header("transfer-encoding", "chunked");
    assert!(head(request).headers.is_empty());
}

#[test]
fn a_host_is_no_matter_of_one_hop() {
    let request = Request::get("/").header("host", "a").header("connection", "host");
    assert_eq!(head(request).headers[header::HOST], "a");
}

#[test]
fn a_request_of_http_1_1_names_its_host() {
    assert!(!head(Request::get("/")).is_well_formed());
    assert!(head(Request::get("/").version(Version::HTTP_10)).is_well_formed());
    assert!(head(Request::get("http://a/").version(Version::HTTP_2)).is_well_formed());
}

#[test]
fn two_hosts_are_one_too_many() {
    assert!(get("/", "a").is_well_formed());
    assert!(!head(Request::get("/").header("host", "a").header("host", "b")).is_well_formed());
}

#[test]
fn what_calls_itself_grpc_is_not_always_grpc() {
    let is_grpc = |text: &'static str| {
        let value = HeaderValue::from_static(text);
        super::is_grpc(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
    };
    for grpc in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        assert!(is_grpc(grpc), "{grpc}");
    }
    for other in ["application/grpc-web", "application/grpc-web-text", "application/json"] {
        assert!(!is_grpc(other), "{other}");
    }
}
