use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    time::{advance, timeout},
};

use super::{HeadState, Watched};

const LIMIT: Duration = Duration::from_secs(15);

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_left_in_peace() {
    let (_client, near) = duplex(64);
    let mut watched = Watched::new(near, Arc::default(), LIMIT);
    assert!(timeout(Duration::from_secs(3600), watched.read_u8()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_ends_the_connection() {
    let (mut client, near) = duplex(64);
    let mut watched = Watched::new(near, Arc::default(), LIMIT);
    client.write_all(b"G").await.unwrap();
    watched.read_u8().await.unwrap();
    let ended = timeout(Duration::from_secs(60), watched.read_u8()).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(watched);
    let mut told = String::new();
    client.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_in_the_middle_of_an_answer() {
    let (mut client, near) = duplex(64);
    let mut watched = Watched::new(near, Arc::default(), LIMIT);
    client.write_all(b"G").await.unwrap();
    watched.read_u8().await.unwrap();
    watched.write_all(b"half").await.unwrap();
    assert!(watched.read_u8().await.is_err());
    drop(watched);
    let mut told = String::new();
    client.read_to_string(&mut told).await.unwrap();
    assert_eq!(told, "half");
}

#[tokio::test(start_paused = true)]
async fn a_body_may_take_its_time() {
    let (mut client, near) = duplex(64);
    let state = Arc::new(HeadState::default());
    let mut watched = Watched::new(near, Arc::clone(&state), LIMIT);
    client.write_all(b"head, and a").await.unwrap();
    watched.read_exact(&mut [0; 11]).await.unwrap();
    let in_request = state.enter();
    advance(Duration::from_secs(3600)).await;
    client.write_all(b"body").await.unwrap();
    watched.read_exact(&mut [0; 4]).await.unwrap();
    drop(in_request);
    assert!(timeout(Duration::from_secs(3600), watched.read_u8()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_request_does_not_end_the_next_one() {
    let (mut client, near) = duplex(64);
    let state = Arc::new(HeadState::default());
    let mut watched = Watched::new(near, Arc::clone(&state), LIMIT);
    let first = state.enter();
    let _second = state.enter();
    drop(first);
    client.write_all(b"body").await.unwrap();
    watched.read_exact(&mut [0; 4]).await.unwrap();
    assert!(timeout(Duration::from_secs(3600), watched.read_u8()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_over_before_anything_more_is_read_leaves_no_deadline() {
    let (mut client, near) = duplex(64);
    let state = Arc::new(HeadState::default());
    let mut watched = Watched::new(near, Arc::clone(&state), LIMIT);
    client.write_all(b"head").await.unwrap();
    watched.read_exact(&mut [0; 4]).await.unwrap();
    drop(state.enter());
    assert!(timeout(Duration::from_secs(3600), watched.read_u8()).await.is_err());
}
