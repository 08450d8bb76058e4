//! The change of roots, as the operator leads it through the CA Secret: nobody is disconnected, and
//! whoever comes at any moment finds its way.

use std::{sync::Arc, time::Duration};

use control::ca::Authority;
use model::key::Key;
use wire::message::{FromControl, Held};

use crate::{
    authority::Root,
    world::{CONTROL, ProxyEnd, WEB, World, hello},
};

fn issue(world: &World, secret: &std::collections::BTreeMap<String, Vec<u8>>) {
    world.authorities.send_replace(Some(Arc::new(Authority::read(secret).unwrap())));
}

/// Whether the stream still answers.
async fn check_answers(proxy: &mut ProxyEnd) {
    proxy.subscribe(Held::nothing(Key::Mesh)).await;
    assert_eq!(proxy.hear().await.unwrap(), FromControl::Absent(Key::Mesh));
}

#[tokio::test]
async fn both_roots_are_let_in_while_both_are_trusted_and_open_streams_go_on() {
    let world = World::new().await;
    let next = Root::new();
    let mut early = world.proxy("web-1").await;
    issue(&world, &world.root.secret_trusting(2, &[&world.root, &next]));
    let mut old = world.proxy("web-2").await;
    // The new certificate is shown and the new root trusted as soon as the Secret has been read.
    let new = async {
        loop {
            let channel = world.channel(Some((&next, WEB))).await;
            if let Ok(channel) = channel
                && let Ok(proxy) = World::talk(channel, hello("web-3")).await
            {
                return proxy;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut new = tokio::time::timeout(Duration::from_secs(20), new).await.unwrap();
    for proxy in [&mut early, &mut old, &mut new] {
        check_answers(proxy).await;
    }
}

#[tokio::test]
async fn control_shows_the_old_root_until_the_secret_says_otherwise() {
    let world = World::new().await;
    let next = Root::new();
    let mut secret = next.secret_trusting(2, &[&world.root, &next]);
    for part in ["crt", "key"] {
        let name = format!("serving-issuer.{part}");
        let old = world.root.secret(1).remove(&name).unwrap();
        secret.insert(name, old);
    }
    issue(&world, &secret);
    // A client that trusts only the old root still gets in, and a signature is of the new issuer.
    let _old = world.proxy("web-1").await;
    issue(&world, &next.secret_trusting(3, &[&world.root, &next]));
    let new = async {
        while world.channel_expecting(next.expecting(CONTROL)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), new).await.unwrap();
}
