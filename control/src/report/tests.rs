//! What operators are told, on paused time.

use std::sync::Arc;

use wire::message::{ProxyState, Token};

use super::*;

fn hello(pod: &str, epoch: u64) -> Hello {
    Hello {
        pod_uid: pod.into(),
        pod_name: pod.into(),
        namespace: "shop".into(),
        version: "0.1.0".into(),
        epoch,
        capabilities: Vec::new(),
        token: Token(String::new()),
    }
}

fn standing(subscribed: u32) -> Standing {
    Standing { books: Summary { subscribed, ..Summary::default() }, leaf: None }
}

async fn next_state(news: &mut broadcast::Receiver<Arc<FromReplica>>) -> ProxyState {
    match &*news.recv().await.unwrap() {
        FromReplica::Proxy(state) => state.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_told_of_every_two_seconds_with_how_long_it_was_not_heard() {
    let registry = Registry::start(&Tasks::new());
    let proxy = registry.open(&hello("a", 1)).await;
    let mut news = registry.attach().await.unwrap().news;
    for seconds in [2, 4, 6] {
        assert_eq!(next_state(&mut news).await.silent.as_secs(), seconds);
    }
    // It was a laggard; that it is none is told at once.
    proxy.heard(None).await;
    assert_eq!(next_state(&mut news).await.silent, Duration::ZERO);
    proxy.heard(None).await;
    assert_eq!(next_state(&mut news).await.silent.as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_standing_that_did_not_change_is_not_told_again() {
    let registry = Registry::start(&Tasks::new());
    let proxy = registry.open(&hello("a", 1)).await;
    let mut news = registry.attach().await.unwrap().news;
    proxy.stands(standing(1)).await;
    proxy.stands(standing(1)).await;
    proxy.stands(standing(2)).await;
    assert_eq!(next_state(&mut news).await.subscribed, 1);
    assert_eq!(next_state(&mut news).await.subscribed, 2);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_that_was_replaced_means_nothing() {
    let registry = Registry::start(&Tasks::new());
    let older = registry.open(&hello("a", 1)).await;
    let newer = registry.open(&hello("a", 2)).await;
    older.replaced().await;
    older.stands(standing(9)).await;
    older.close().await;
    let attached = registry.attach().await.unwrap();
    let FromReplica::Proxy(state) = &*attached.known[0] else { panic!() };
    assert_eq!((state.epoch, state.subscribed), (2, 0));
    newer.close().await;
    let mut news = attached.news;
    assert_eq!(*news.recv().await.unwrap(), FromReplica::Gone("a".into()));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_too_slow_is_cut() {
    let registry = Registry::start(&Tasks::new());
    let proxy = registry.open(&hello("a", 1)).await;
    let mut news = registry.attach().await.unwrap().news;
    for subscribed in 0..=u32::try_from(NEWS).unwrap() + 1 {
        proxy.stands(standing(subscribed)).await;
    }
    registry.attach().await.unwrap();
    assert!(matches!(news.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
}

#[tokio::test(start_paused = true)]
async fn the_registry_ends_when_the_last_proxy_has_left() {
    let tasks = Tasks::new();
    let registry = Registry::start(&tasks);
    let proxy = registry.open(&hello("a", 1)).await;
    let shutdown = tasks.shutdown(Duration::from_secs(60));
    let leave = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        proxy.close().await;
    };
    let (end, ()) = tokio::join!(shutdown, leave);
    assert_eq!(end, runtime::tasks::End::Clean);
    assert!(registry.attach().await.is_none());
}
