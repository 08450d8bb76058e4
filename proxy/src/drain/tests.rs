//! Claims about leaving.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_idle_proxy_leaves_as_soon_as_it_is_told_to() {
    let drain = Drain::new();
    let start = Instant::now();
    drain.begin(start + Duration::from_secs(30));
    assert_eq!(drain.finished().await, 0);
    assert_eq!(Instant::now(), start);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_was_not_told_to_leave_stays() {
    let drain = Drain::new();
    let stays = tokio::time::timeout(Duration::from_secs(3600), drain.finished()).await;
    assert!(stays.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_busy_proxy_leaves_when_the_last_request_ends() {
    let drain = Drain::new();
    let (first, second) = (drain.gauge(), drain.gauge());
    let (one, two) = (first.enter(), second.enter());
    let start = Instant::now();
    drain.begin(start + Duration::from_secs(30));
    let end_requests = async {
        drop(one);
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(two);
    };
    let (left, ()) = tokio::join!(drain.finished(), end_requests);
    assert_eq!(left, 0);
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn whatever_is_left_at_the_deadline_is_told() {
    let drain = Drain::new();
    let gauge = drain.gauge();
    let _request = gauge.enter();
    let start = Instant::now();
    drain.begin(start + Duration::from_secs(30));
    assert_eq!(drain.finished().await, 1);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_second_deadline_counts_only_if_it_is_nearer() {
    let drain = Drain::new();
    let soon = Instant::now() + Duration::from_secs(5);
    drain.begin(soon);
    drain.begin(soon + Duration::from_secs(60));
    assert_eq!(drain.state(), State::Draining { deadline: soon });
    drain.begin(soon - Duration::from_secs(1));
    assert_eq!(drain.state(), State::Draining { deadline: soon - Duration::from_secs(1) });
}
