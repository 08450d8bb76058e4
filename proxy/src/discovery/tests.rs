use std::time::Duration;

use model::key::Key;
use tokio::time::{Instant, sleep};

use super::{Answer, CHANGE_LIMIT, Discovery, LOOK_UP_LIMIT};

fn key() -> Key {
    Key::Address("10.96.0.7:80".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_nobody_answers_ends_in_time() {
    let (discovery, _feed) = Discovery::for_tests([]);
    let begun = Instant::now();
    assert_eq!(discovery.look_up(key()).await, Answer::Unavailable);
    assert!(begun.elapsed() <= LOOK_UP_LIMIT + Duration::from_millis(10), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_look_up_outlasts_a_change_to_another_replica_of_control() {
    let (discovery, mut feed) = Discovery::for_tests([]);
    let control = async {
        sleep(LOOK_UP_LIMIT / 2).await;
        feed.lose_stream();
        sleep(LOOK_UP_LIMIT * 2).await;
        feed.answer_next(Answer::Absent).await.unwrap();
    };
    let (answer, ()) = tokio::join!(discovery.look_up(key()), control);
    assert_eq!(answer, Answer::Absent);
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_is_gone_for_longer_holds_nobody_up_any_longer() {
    let (discovery, feed) = Discovery::for_tests([]);
    feed.lose_stream();
    sleep(CHANGE_LIMIT * 2).await;
    let begun = Instant::now();
    assert_eq!(discovery.look_up(key()).await, Answer::Unavailable);
    assert!(begun.elapsed() <= LOOK_UP_LIMIT + Duration::from_millis(10), "{:?}", begun.elapsed());
}
