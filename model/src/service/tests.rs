//! Splits: which endpoints a request may reach.

use std::time::Duration;

use super::*;

fn endpoint(revision: &str, readiness: Readiness) -> Endpoint {
    let address = "10.0.0.1:80".parse().unwrap();
    Endpoint { revision: Revision::new(revision).ok(), readiness, ..Endpoint::plain(address) }
}

fn backend(share: Option<Share>) -> Backend {
    let split = share.map(|share| Split {
        rollout: RolloutId::new("shop", "cart"),
        decision: 1,
        canary: Revision::new("v2").unwrap(),
        share,
    });
    let connect_timeout = Duration::from_secs(1);
    Backend { name: "cart".into(), namespace: "shop".into(), split, connect_timeout }
}

#[test]
fn without_a_split_only_ready_endpoints_serve() {
    let backend = backend(None);
    assert_eq!(backend.group(&endpoint("v1", Readiness::Ready)), Some(Group::Base));
    assert_eq!(backend.group(&endpoint("v2", Readiness::Gated)), None);
}

#[test]
fn a_gated_canary_serves_only_in_its_own_group() {
    let backend = backend(Some(Share::Weighted(Weight::NONE)));
    assert_eq!(backend.group(&endpoint("v2", Readiness::Gated)), Some(Group::Canary));
    assert_eq!(backend.group(&endpoint("v2", Readiness::Ready)), Some(Group::Canary));
    assert_eq!(backend.group(&endpoint("v1", Readiness::Ready)), Some(Group::Base));
    assert_eq!(backend.group(&endpoint("v3", Readiness::Gated)), None);
}

#[test]
fn a_joined_canary_serves_beside_all_others() {
    let backend = backend(Some(Share::Joined));
    assert_eq!(backend.group(&endpoint("v2", Readiness::Gated)), Some(Group::Base));
    assert_eq!(backend.group(&endpoint("v1", Readiness::Ready)), Some(Group::Base));
}
