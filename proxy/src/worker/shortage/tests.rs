use super::{FREE, Relief, Shortage, TELL};
use tokio::time::Instant;

#[test]
fn what_lasts_is_told_once_in_a_while() {
    let (shortage, began) = (Shortage::default(), Instant::now());
    let met: Vec<_> = (0..TELL.as_secs() * 2)
        .map(|second| shortage.met(began + std::time::Duration::from_secs(second)).tell)
        .collect();
    let told: Vec<_> = (0..met.len()).filter(|second| met[*second]).collect();
    assert_eq!(told, [0, 30]);
}

#[test]
fn what_is_kept_is_given_up_more_often_than_that_is_told() {
    let (shortage, began) = (Shortage::default(), Instant::now());
    assert_eq!(shortage.met(began), Relief { tell: true, free: true });
    assert_eq!(shortage.met(began + FREE / 2), Relief { tell: false, free: false });
    assert_eq!(shortage.met(began + FREE), Relief { tell: false, free: true });
}
