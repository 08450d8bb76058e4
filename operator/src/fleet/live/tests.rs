use cluster::watch::Change;

use super::*;
use crate::world::{NamespaceFacts, NodeFacts};

const NOW: Moment = Moment::from_millis(1_000_000);

fn world(pod: impl Fn(&mut PodFacts), node: Option<NodeFacts>) -> World {
    let mut facts = PodFacts {
        uid: "u".to_owned(),
        node: Some("n".to_owned()),
        meshed: true,
        proxy_running: true,
        ..PodFacts::default()
    };
    pod(&mut facts);
    let mut world = World::default();
    world.pods.apply(Change::Applied(ObjectName::new("shop", "cart"), facts));
    let labels = [("serin.dev/injection".to_owned(), "enabled".to_owned())].into();
    let namespace = NamespaceFacts { labels, leaving: false };
    world.namespaces.apply(Change::Applied(ObjectName::new("", "shop"), namespace));
    if let Some(node) = node {
        world.nodes.apply(Change::Applied(ObjectName::new("", "n"), node));
    }
    world
}

fn lives(pod: impl Fn(&mut PodFacts), node: Option<NodeFacts>) -> bool {
    !Live::of(&world(pod, node), NOW).proxies.is_empty()
}

fn node(unready_for: u64) -> Option<NodeFacts> {
    let since = Moment::from_millis(NOW.as_millis() - unready_for);
    Some(NodeFacts { unready_since: Some(since) })
}

const READY: Option<NodeFacts> = Some(NodeFacts { unready_since: None });

#[test]
fn a_running_proxy_lives_whether_its_pod_is_ready_or_not() {
    assert!(lives(|_| {}, READY));
    assert!(lives(|pod| pod.ready = true, READY));
    assert!(!lives(|pod| pod.proxy_running = false, READY));
    assert!(!lives(|pod| pod.terminal = true, READY));
}

#[test]
fn a_leaving_pods_proxy_lives_until_its_grace_is_over() {
    assert!(lives(|pod| pod.deadline = Some(NOW), READY));
    assert!(!lives(|pod| pod.deadline = Some(Moment::from_millis(NOW.as_millis() - 1)), READY));
}

#[test]
fn a_node_that_went_away_is_waited_for_one_minute() {
    assert!(lives(|_| {}, node(59_999)));
    assert!(!lives(|_| {}, node(60_000)));
    assert!(!lives(|_| {}, None));
}

#[test]
fn a_pod_without_its_proxy_is_counted_and_named() {
    let rule = Rule { own: "serin-system", honour_istio_labels: false };
    let unmeshed = |pod: fn(&mut PodFacts)| Unmeshed::of(&world(pod, READY), rule);
    assert_eq!(unmeshed(|_| {}), Unmeshed::default());
    let slipped = unmeshed(|pod| pod.meshed = false);
    assert_eq!((slipped.total, &*slipped.named[0]), (1, "shop/cart"));
    let ended = unmeshed(|pod| (pod.meshed, pod.terminal) = (false, true));
    assert_eq!(ended.total, 0);
}

#[test]
fn a_pod_that_the_webhook_leaves_alone_is_not_missing_a_proxy() {
    use api::injection::LeftAlone;
    let rule = Rule { own: "serin-system", honour_istio_labels: false };
    for why in LeftAlone::ALL {
        let alone = |pod: &mut PodFacts| (pod.meshed, pod.traits.obstacle) = (false, Some(why));
        assert_eq!(Unmeshed::of(&world(alone, READY), rule), Unmeshed::default(), "{why:?}");
    }
}
