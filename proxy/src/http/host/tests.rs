//! Every way to say whom a request is for.

use http::{Method, Request};

use super::*;

fn check(method: &Method, target: &str, hosts: &[&str], expected: bool) {
    let mut request = Request::builder().method(method).uri(target);
    for host in hosts {
        request = request.header("host", *host);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let is_one = is_one(Version::HTTP_11, &parts.method, &parts.uri, &parts.headers);
    assert_eq!(is_one, expected, "{method} {target} {hosts:?}");
}

#[test]
fn a_host_that_is_said_once_is_one() {
    check(&Method::GET, "/", &["a"], true);
    check(&Method::GET, "/", &["a:8080"], true);
    check(&Method::GET, "/", &["[::1]:80"], true);
    check(&Method::GET, "/", &[""], true);
}

#[test]
fn a_host_that_is_said_twice_alike_is_one() {
    check(&Method::GET, "http://a/", &["A:80"], true);
    check(&Method::GET, "https://a/", &["a:443"], true);
    check(&Method::GET, "http://a:8080/", &["a:8080"], true);
    check(&Method::CONNECT, "a:443", &["a:443"], true);
    check(&Method::CONNECT, "a:443", &["a"], true);
}

#[test]
fn two_hosts_are_refused() {
    check(&Method::GET, "/", &["a", "a"], false);
    check(&Method::GET, "http://a/", &["b"], false);
    check(&Method::GET, "http://a/", &["a:8080"], false);
    check(&Method::GET, "https://a/", &["a:80"], false);
    check(&Method::CONNECT, "a:443", &["a:80"], false);
}

#[test]
fn what_is_no_host_is_refused() {
    check(&Method::GET, "/", &[], false);
    check(&Method::GET, "/", &["a b"], false);
    check(&Method::GET, "/", &["a/b"], false);
    check(&Method::GET, "/", &["me@a"], false);
    check(&Method::GET, "http://me@a/", &["a"], false);
}

#[test]
fn only_http_11_has_to_name_a_host() {
    let (parts, ()) = Request::get("/").body(()).unwrap().into_parts();
    for (version, expected) in
        [(Version::HTTP_10, true), (Version::HTTP_11, false), (Version::HTTP_2, true)]
    {
        assert_eq!(is_one(version, &parts.method, &parts.uri, &parts.headers), expected);
    }
}
