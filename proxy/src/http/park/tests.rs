use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    time::timeout,
};

use super::{super::head_timer::HeadState, Keeping};

#[tokio::test(start_paused = true)]
async fn a_connection_rests_when_nothing_was_asked_for_a_while() {
    let (_client, near) = duplex(64);
    let (keeping, state) = (Keeping::new(near, Bytes::new()), Arc::new(HeadState::default()));
    let hold = keeping.hold();
    timeout(Duration::from_secs(3), hold.rested(&state)).await.unwrap();
    let request = state.enter();
    assert!(timeout(Duration::from_secs(60), hold.rested(&state)).await.is_err());
    drop(request);
    timeout(Duration::from_secs(3), hold.rested(&state)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_client_does_not_take_its_answer_does_not_rest() {
    let (mut client, near) = duplex(4);
    let (mut keeping, state) = (Keeping::new(near, Bytes::new()), HeadState::default());
    let hold = keeping.hold();
    let written = timeout(Duration::from_secs(1), keeping.write_all(b"an answer")).await;
    assert!(written.is_err(), "it was all taken");
    assert!(timeout(Duration::from_secs(60), hold.rested(&state)).await.is_err());
    client.read_exact(&mut [0; 4]).await.unwrap();
    keeping.write_all(b"more").await.unwrap();
    timeout(Duration::from_secs(3), hold.rested(&state)).await.unwrap();
}

#[tokio::test]
async fn what_was_read_and_not_looked_at_is_read_again_in_order() {
    let (mut client, near) = duplex(64);
    let keeping = Keeping::new(near, Bytes::from_static(b" b")).taken_back(b"a");
    client.write_all(b" c d").await.unwrap();
    let mut keeping = keeping.spoken_on().await.unwrap().unwrap();
    let mut all = [0; 7];
    keeping.read_exact(&mut all).await.unwrap();
    assert_eq!(&all, b"a b c d");
}

#[tokio::test]
async fn a_client_that_closes_while_its_connection_rests_is_closed_to() {
    let (mut client, near) = duplex(64);
    client.shutdown().await.unwrap();
    assert!(Keeping::new(near, Bytes::new()).spoken_on().await.unwrap().is_none());
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}
