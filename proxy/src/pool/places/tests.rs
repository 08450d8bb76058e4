use std::time::Duration;

use futures::{FutureExt as _, future::join_all};
use tokio::time::Instant;

use super::{LINE, Places, QUEUE_LIMIT};
use crate::pool::connect::Error;

#[tokio::test(start_paused = true)]
async fn who_waits_for_too_long_is_turned_away() {
    let places = Places::new(1);
    let _taken = places.take(None).await.unwrap();
    for patience in [None, Some(Duration::from_millis(300)), Some(Duration::from_secs(60))] {
        let began = Instant::now();
        assert!(matches!(places.take(patience).await, Err(Error::Crowded)));
        let waited = began.elapsed();
        let expected = patience.unwrap_or(QUEUE_LIMIT).min(QUEUE_LIMIT);
        assert!(waited >= expected && waited <= expected + Duration::from_millis(2), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_given_back_goes_to_who_waited_longest() {
    let places = Places::new(1);
    let taken = places.take(None).await.unwrap();
    let (mut first, mut second) = (Box::pin(places.take(None)), Box::pin(places.take(None)));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    drop(taken);
    assert!((&mut second).now_or_never().is_none());
    assert!(first.now_or_never().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_place_that_came_too_late_goes_to_the_next_in_line() {
    let places = Places::new(1);
    let taken = places.take(None).await.unwrap();
    let (mut first, mut second) = (Box::pin(places.take(None)), Box::pin(places.take(None)));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    drop(taken);
    // It has the place and never looks.
    drop(first);
    assert!(second.now_or_never().unwrap().is_ok());
    assert!(places.take(None).now_or_never().is_some(), "it was given back");
}

#[tokio::test(start_paused = true)]
async fn not_everybody_may_wait_and_who_has_left_takes_no_room_in_the_line() {
    let places = Places::new(1);
    let _taken = places.take(None).await.unwrap();
    let waiting = join_all((0..LINE).map(|_| places.take(None)));
    let one_more = async {
        tokio::task::yield_now().await;
        let at = Instant::now();
        assert!(matches!(places.take(None).await, Err(Error::Crowded)));
        assert_eq!(at.elapsed(), Duration::ZERO);
    };
    let (ended, ()) = tokio::join!(waiting, one_more);
    assert!(ended.iter().all(Result::is_err));
    let at = Instant::now();
    assert!(places.take(None).await.is_err());
    assert!(at.elapsed() >= QUEUE_LIMIT, "all others have left the line");
}
