//! What must agree before a proxy is let in.

use wire::message::Token;

use super::*;

fn domain() -> TrustDomain {
    "cluster.local".parse().unwrap()
}

fn hello() -> Hello {
    Hello {
        pod_uid: "uid-1".into(),
        pod_name: "web-1".into(),
        namespace: "shop".into(),
        version: "0.1.0".into(),
        epoch: 1,
        capabilities: Vec::new(),
        token: Token(String::new()),
    }
}

fn claims() -> Claims {
    Claims {
        namespace: "shop".into(),
        service_account: "web".into(),
        pod_name: "web-1".into(),
        pod_uid: "uid-1".into(),
    }
}

fn identity(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

const WEB: &str = "spiffe://cluster.local/ns/shop/sa/web";

#[test]
fn a_proxy_is_who_its_token_and_its_certificate_prove() {
    let asker = agree(&hello(), &claims(), identity(WEB), &domain()).unwrap();
    assert_eq!((&*asker.pod_uid, &*asker.namespace), ("uid-1", "shop"));
    assert_eq!(asker.identity, identity(WEB));
}

#[test]
fn anything_that_does_not_agree_is_denied() {
    let denied = |hello: &Hello, claims: &Claims, id: &str| {
        let refused = agree(hello, claims, identity(id), &domain()).unwrap_err();
        assert!(matches!(refused, Refusal::Denied(_)), "{refused}");
    };
    denied(&hello(), &claims(), "spiffe://cluster.local/ns/shop/sa/cart");
    denied(&hello(), &claims(), "spiffe://elsewhere.example/ns/shop/sa/web");
    denied(&Hello { pod_uid: "uid-2".into(), ..hello() }, &claims(), WEB);
    denied(&Hello { pod_name: "web-2".into(), ..hello() }, &claims(), WEB);
    denied(&Hello { namespace: "shop2".into(), ..hello() }, &claims(), WEB);
    denied(&hello(), &Claims { pod_uid: "uid-2".into(), ..claims() }, WEB);
}

#[test]
fn without_a_certificate_nobody_is_known() {
    let refused = certified(Peer { identity: None }).unwrap_err();
    assert!(matches!(refused, Refusal::Unauthenticated(_)), "{refused}");
}
