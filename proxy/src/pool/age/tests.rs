use std::time::Duration;

use tokio::time::Instant;

use super::{Age, MOST, OLDEST};

#[test]
fn a_connection_is_used_until_it_is_old() {
    let born = Instant::now();
    let age = Age::new(born);
    assert!(!age.is_over(born + OLDEST - Duration::from_millis(1)));
    assert!(age.is_over(born + OLDEST));
}

#[test]
fn a_connection_is_used_until_it_has_carried_enough() {
    let born = Instant::now();
    let age = Age::new(born);
    (1..MOST).for_each(|_| age.count());
    assert!(!age.is_over(born));
    age.count();
    assert!(age.is_over(born));
}
