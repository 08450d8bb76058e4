//! Messages over a real HTTP/2 stream, in both directions.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use model::{
    identity::SpiffeId,
    key::Key,
    service::ServiceId,
    trust::{Fingerprint, Trust},
};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, proptest},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wire::{
    Encoded,
    client::{DiscoveryClient, Error, IdentityClient, OperationsClient},
    message::{FromControl, Push, Settings, SignRequest, SignResponse, ToReplica, Token},
    server::{Peer, Refusal},
};

use crate::{
    arbitrary,
    fakes::{Fake, Heard, Wire},
};

struct World {
    fake: Arc<Fake>,
    heard: mpsc::Receiver<Heard>,
    pushes: mpsc::Sender<Result<FromControl<Encoded>, Refusal>>,
    states: mpsc::Sender<Result<wire::message::FromReplica, Refusal>>,
}

fn world() -> World {
    let (heard_tx, heard) = mpsc::channel(256);
    let (pushes, pushes_rx) = mpsc::channel(256);
    let (states, states_rx) = mpsc::channel(256);
    let answer = SignResponse {
        chain: vec![Bytes::from_static(b"leaf"), Bytes::from_static(b"issuer")],
        trust: Trust { decision: 3, anchors: Vec::new() },
    };
    let fake = Arc::new(Fake {
        pushes: Some(pushes_rx).into(),
        states: Some(states_rx).into(),
        heard: heard_tx,
        answer,
    });
    World { fake, heard, pushes, states }
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn control_hears_what_a_proxy_says(said in vec(arbitrary::to_control(), 1..12)) {
        run(async {
            let mut world = world();
            let mut client = DiscoveryClient::new(Wire::to(world.fake, Peer::default()).await);
            let _pushes = client.connect(futures::stream::iter(said.clone())).await.unwrap();
            for message in said {
                let Some(Heard::Proxy(Ok(heard))) = world.heard.recv().await else { panic!() };
                assert_eq!(heard, message);
            }
        });
    }

    #[test]
    fn a_proxy_gets_what_control_pushes(resources in vec(arbitrary::resource(), 1..6)) {
        run(async {
            let world = world();
            let mut client = DiscoveryClient::new(Wire::to(world.fake, Peer::default()).await);
            let mut got = client.connect(futures::stream::pending()).await.unwrap();
            for resource in resources {
                let body = Encoded::new(&resource).unwrap();
                let key = arbitrary::key_of(&resource);
                let (version, decision) = (body.version, body.decision);
                let push = Push { key: key.clone(), version, decision, body };
                world.pushes.send(Ok(FromControl::Push(push))).await.unwrap();
                let FromControl::Push(push) = got.next().await.unwrap().unwrap() else { panic!() };
                assert_eq!(push, Push { key, version, decision, body: resource });
            }
        });
    }

    #[test]
    fn the_operator_hears_what_a_replica_says(said in vec(arbitrary::from_replica(), 1..12)) {
        run(async {
            let world = world();
            let mut client = OperationsClient::new(Wire::to(world.fake, Peer::default()).await);
            let mut got = client.watch(futures::stream::pending()).await.unwrap();
            for message in said {
                world.states.send(Ok(message.clone())).await.unwrap();
                assert_eq!(got.next().await.unwrap().unwrap(), message);
            }
        });
    }

    #[test]
    fn a_replica_hears_what_the_operator_decides(decisions in vec(arbitrary::decision(), 0..6)) {
        run(async {
            let mut world = world();
            let mut client = OperationsClient::new(Wire::to(world.fake, Peer::default()).await);
            let sent = ToReplica { decisions, unreadable: Vec::new() };
            let _states = client.watch(futures::stream::iter([sent.clone()])).await.unwrap();
            let Some(Heard::Operator(Ok(heard))) = world.heard.recv().await else { panic!() };
            assert_eq!(heard, sent);
        });
    }
}

#[test]
fn a_body_of_another_service_is_rejected_and_the_stream_goes_on() {
    run(async {
        let world = world();
        let mut client = DiscoveryClient::new(Wire::to(world.fake, Peer::default()).await);
        let mut got = client.connect(futures::stream::pending()).await.unwrap();
        let body = Encoded::new(&arbitrary::empty_service("cart")).unwrap();
        let key = Key::Service(ServiceId::new("web", 80));
        let (version, decision) = (body.version, body.decision);
        let push = Push { key: key.clone(), version, decision, body };
        world.pushes.send(Ok(FromControl::Push(push))).await.unwrap();
        world.pushes.send(Ok(FromControl::Absent(key.clone()))).await.unwrap();
        let Err(Error::Rejected(rejected)) = got.next().await.unwrap() else { panic!() };
        assert_eq!((&rejected.key, rejected.version), (&key, version));
        assert_eq!(got.next().await.unwrap().unwrap(), FromControl::Absent(key));
    });
}

#[test]
fn a_proxy_hears_how_it_is_to_behave() {
    run(async {
        let world = world();
        let mut client = DiscoveryClient::new(Wire::to(world.fake, Peer::default()).await);
        let mut got = client.connect(futures::stream::pending()).await.unwrap();
        for issuer in [None, Some(Fingerprint([7; 32]))] {
            let settings = Settings { report_interval: Duration::from_millis(250), issuer };
            let settings = FromControl::Settings(settings);
            world.pushes.send(Ok(settings.clone())).await.unwrap();
            let FromControl::Settings(heard) = got.next().await.unwrap().unwrap() else { panic!() };
            assert_eq!(FromControl::Settings(heard), settings);
        }
    });
}

#[test]
fn a_refusal_ends_the_stream() {
    run(async {
        let world = world();
        let mut client = DiscoveryClient::new(Wire::to(world.fake, Peer::default()).await);
        let mut got = client.connect(futures::stream::pending()).await.unwrap();
        world.pushes.send(Err(Refusal::Denied("not yours".into()))).await.unwrap();
        let error = got.next().await.unwrap().unwrap_err();
        assert!(error.is_final());
        assert!(error.to_string().contains("not yours"), "{error}");
        assert!(got.next().await.is_none());
    });
}

#[test]
fn a_signer_knows_who_asks_and_a_proxy_gets_its_chain() {
    run(async {
        let mut world = world();
        let identity: SpiffeId = "spiffe://cluster.local/ns/shop/sa/web".parse().unwrap();
        let peer = Peer { identity: Some(identity) };
        let mut client = IdentityClient::new(Wire::to(world.fake.clone(), peer.clone()).await);
        let request = SignRequest { csr: Bytes::from_static(b"csr"), token: Token("t".into()) };
        let response = client.sign(request.clone()).await.unwrap();
        assert_eq!(response, world.fake.answer);
        let Some(Heard::Sign(heard, asked)) = world.heard.recv().await else { panic!() };
        assert_eq!((heard, asked), (peer, request));
    });
}

#[test]
fn a_token_that_is_too_long_reaches_nobody() {
    run(async {
        let mut world = world();
        let mut client = IdentityClient::new(Wire::to(world.fake.clone(), Peer::default()).await);
        let token = Token("t".repeat(17 * 1024));
        let request = SignRequest { csr: Bytes::from_static(b"csr"), token };
        let error = client.sign(request).await.unwrap_err();
        assert!(error.to_string().contains("token: 17408 bytes are more than 16384"), "{error}");
        assert!(world.heard.try_recv().is_err());
    });
}

#[test]
fn too_many_keys_in_one_message_are_refused_and_the_stream_goes_on() {
    run(async {
        let mut world = world();
        let mut client = DiscoveryClient::new(Wire::to(world.fake.clone(), Peer::default()).await);
        let (say, said) = mpsc::channel(4);
        let _pushes = client.connect(ReceiverStream::new(said)).await.unwrap();
        let keys = (0..4097_u16).map(|n| Key::Service(ServiceId::new("web", n + 1))).collect();
        say.send(wire::message::ToControl::Unsubscribe(keys)).await.unwrap();
        let fine = wire::message::ToControl::Unsubscribe(vec![Key::Mesh]);
        say.send(fine.clone()).await.unwrap();
        let Some(Heard::Proxy(Err(refused))) = world.heard.recv().await else { panic!() };
        assert!(refused.to_string().contains("part of a message"), "{refused}");
        let Some(Heard::Proxy(Ok(heard))) = world.heard.recv().await else { panic!() };
        assert_eq!(heard, fine);
    });
}
