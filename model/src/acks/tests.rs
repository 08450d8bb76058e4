use super::{Census, Proof};

fn census(held: &[u64]) -> Census<u64> {
    Census::of(
        held.iter().enumerate().map(|(at, held)| (format!("shop/pod-{at:02}").into(), *held)),
    )
}

fn proof(held: &[u64], asked: u64) -> Proof {
    census(held).prove(|held| *held >= asked)
}

#[test]
fn a_proxy_that_was_never_heard_of_is_missing() {
    let proof = proof(&[0, 7], 7);
    assert_eq!((proof.synced, proof.total), (1, 2));
    assert_eq!(proof.names(), "shop/pod-00");
    assert!(!proof.suffices(0));
    assert!(proof.suffices(1));
}

#[test]
fn without_proxies_there_is_nobody_to_wait_for() {
    assert!(proof(&[], 1).suffices(0));
    assert_eq!(proof(&[], 1).names(), "");
}

#[test]
fn only_some_laggards_are_named_and_the_rest_counted() {
    let proof = proof(&[0; 20], 1);
    assert_eq!(proof.laggards.len(), Proof::NAMED);
    assert!(proof.names().ends_with("shop/pod-15 and 4 more"));
}
