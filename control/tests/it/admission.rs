//! Who is let in, and who is not.

use wire::{
    client::{Error, IdentityClient, OperationsClient},
    message::{SignRequest, Token},
};

use crate::{
    authority::Root,
    world::{OPERATOR, WEB, World, hello},
};

async fn check_refused(hello: wire::message::Hello, peer: Option<(&str, bool)>, why: &str) {
    let world = World::new().await;
    let foreign = Root::new();
    let peer = peer.map(|(name, ours)| (if ours { &world.root } else { &foreign }, name));
    let refused = world.try_proxy(hello, peer).await;
    let Err(Error::Call(status)) = refused else { panic!("let in") };
    assert!(status.message().contains(why), "{status:?}");
}

#[tokio::test]
async fn a_token_of_another_pod_is_refused() {
    let mut hello = hello("web-1");
    hello.token = Token("shop/web/web-2".into());
    check_refused(hello, Some((WEB, true)), "the token is of the pod shop/web-2").await;
}

#[tokio::test]
async fn a_token_of_another_account_is_refused() {
    let mut hello = hello("web-1");
    hello.token = Token("shop/cart/web-1".into());
    check_refused(hello, Some((WEB, true)), "the certificate is of").await;
}

#[tokio::test]
async fn a_token_that_the_api_server_refuses_is_refused() {
    let mut hello = hello("web-1");
    hello.token = Token("nonsense".into());
    check_refused(hello, Some((WEB, true)), "token refused").await;
}

#[tokio::test]
async fn a_proxy_without_a_certificate_is_told_nothing() {
    check_refused(hello("web-1"), None, "a certificate of the mesh is needed").await;
}

#[tokio::test]
async fn a_certificate_of_a_foreign_authority_ends_the_connection() {
    let world = World::new().await;
    let foreign = Root::new();
    let channel = world.channel(Some((&foreign, WEB))).await;
    // TLS 1.3: the client learns of it with its first read.
    if let Ok(channel) = channel {
        let mut client = IdentityClient::new(channel);
        let request = SignRequest { csr: bytes::Bytes::new(), token: Token(String::new()) };
        assert!(client.sign(request).await.is_err());
    }
    assert_eq!(world.metric("serin_control_handshakes_total{outcome=\"done\"}"), 0);
}

#[tokio::test]
async fn a_certificate_of_another_trust_domain_ends_the_connection() {
    let world = World::new().await;
    let elsewhere = "spiffe://elsewhere.example/ns/shop/sa/web";
    let channel = world.channel(Some((&world.root, elsewhere))).await;
    if let Ok(channel) = channel {
        let mut client = IdentityClient::new(channel);
        let request = SignRequest { csr: bytes::Bytes::new(), token: Token(String::new()) };
        assert!(client.sign(request).await.is_err());
    }
    assert_eq!(world.metric("serin_control_handshakes_total{outcome=\"done\"}"), 0);
}

#[tokio::test]
async fn only_the_operator_may_watch_and_decide() {
    let world = World::new().await;
    for peer in [None, Some((&world.root, WEB))] {
        let mut client = OperationsClient::new(world.channel(peer).await.unwrap());
        let refused = client.watch(futures::stream::pending()).await;
        let Err(Error::Call(status)) = refused else { panic!("let in") };
        assert!(status.message().contains("operator"), "{status:?}");
    }
    let channel = world.channel(Some((&world.root, OPERATOR))).await.unwrap();
    assert!(OperationsClient::new(channel).watch(futures::stream::pending()).await.is_ok());
}

#[tokio::test]
async fn a_peer_whose_root_is_distrusted_is_disconnected() {
    let world = World::new().await;
    let next = Root::new();
    let mut proxy = world.proxy("web-1").await;
    let authority = control::ca::Authority::read(&next.secret(2)).unwrap();
    world.authorities.send_replace(Some(std::sync::Arc::new(authority)));
    while let Ok(_setting) = proxy.hear_anything().await {}
}

#[tokio::test]
async fn a_newer_stream_of_a_pod_replaces_the_older_one() {
    let world = World::new().await;
    let mut older = world.proxy("web-1").await;
    let _newer = world.proxy("web-1").await;
    let error = older.hear().await.unwrap_err();
    assert!(error.to_string().contains("a newer stream is open"), "{error}");
}
