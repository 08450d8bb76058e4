//! When another certificate is shown, on paused time.

use runtime::tls::Usage;
use tokio::time::Instant;

use super::*;
use crate::ca::tests::secret_until_2050;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn clock() -> Clock {
    Clock::fixed(UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

fn authority() -> Arc<Authority> {
    Arc::new(Authority::read(&secret_until_2050()).unwrap())
}

struct Desk {
    authorities: watch::Sender<Option<Arc<Authority>>>,
    shown: Identities,
    _tasks: Tasks,
}

fn desk(first: Option<Arc<Authority>>, clock: Clock) -> Desk {
    let (authorities, authority) = watch::channel(first);
    let identity = "spiffe://cluster.local/ns/serin-system/sa/serin-control".parse().unwrap();
    let serving = Serving { identity, lifetime: DAY, authorities: authority, clock };
    let tasks = Tasks::new();
    Desk { authorities, shown: keep(serving, &tasks), _tasks: tasks }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_renewed_at_half_its_life() {
    let mut desk = desk(Some(authority()), clock());
    desk.shown.wait_for(Option::is_some).await.unwrap();
    let begin = Instant::now();
    desk.shown.changed().await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), DAY.as_secs() / 2);
}

#[tokio::test(start_paused = true)]
async fn another_authority_is_followed_at_once() {
    let mut desk = desk(None, clock());
    assert!(desk.shown.borrow().is_none());
    let begin = Instant::now();
    desk.authorities.send_replace(Some(authority()));
    desk.shown.changed().await.unwrap();
    assert!(desk.shown.borrow_and_update().is_some());
    desk.authorities.send_replace(Some(authority()));
    desk.shown.changed().await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_has_ended_leaves_the_last_certificate_and_is_tried_again() {
    let (clock, far) = (clock(), Duration::from_secs(800_000_000));
    let mut desk = desk(Some(authority()), clock.clone());
    desk.shown.wait_for(Option::is_some).await.unwrap();
    clock.advance(far);
    desk.authorities.send_replace(Some(authority()));
    tokio::time::sleep(RETRY * 3).await;
    assert!(!desk.shown.has_changed().unwrap());
}

#[tokio::test]
async fn peers_of_other_trust_domains_are_not_accepted() {
    let authority = authority();
    let verifier = verifier(&authority, "cluster.local".parse().unwrap()).unwrap();
    let check = |name: &str| {
        let identity = name.parse().unwrap();
        let credentials = authority.issuer.credentials(&identity, DAY, clock().now()).unwrap();
        verifier.check(&credentials.chain, Usage::Client, unix_time(&clock())).is_ok()
    };
    assert!(check("spiffe://cluster.local/ns/shop/sa/web"));
    assert!(!check("spiffe://elsewhere.example/ns/shop/sa/web"));
}
