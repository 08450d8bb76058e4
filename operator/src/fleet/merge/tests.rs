use model::revision::Revision;
use wire::message::{HeldDecision, Rows as ToldRows};

use super::*;

fn state(epoch: u64, silent: u64, acked: u64) -> ProxyState {
    ProxyState {
        pod_uid: "p".into(),
        pod_name: "cart-1".into(),
        namespace: "shop".into(),
        version: "0".into(),
        epoch,
        silent: Duration::from_millis(silent),
        subscribed: 1,
        acked: 1,
        stale_keys: Vec::new(),
        trust: None,
        leaf: None,
        decisions: vec![HeldDecision { rollout: rollout(), acked }],
    }
}

fn rollout() -> RolloutId {
    RolloutId::new("shop", "cart")
}

fn rows(epoch: u64, attempts: u64) -> FromReplica {
    let row = Row {
        rollout: rollout(),
        revision: Some(Revision::new("r2").unwrap()),
        attempts,
        failures: 0,
        first_failure_millis: 0,
    };
    FromReplica::Rows(ToldRows { pod_uid: "p".into(), epoch, rows: vec![row] })
}

struct World {
    fleet: Fleet,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let mut world = Self { fleet: Fleet::default(), now: Instant::now() };
        world.tell("a", Told::Opened);
        world.tell("b", Told::Opened);
        world
    }

    fn tell(&mut self, replica: &str, told: Told) {
        self.fleet.take(&replica.into(), told, self.now);
    }

    fn say(&mut self, replica: &str, message: FromReplica) {
        self.tell(replica, Told::Said(Box::new(message)));
    }

    fn attempts(&self) -> u64 {
        self.fleet.totals(&rollout()).values().map(|counts| counts.attempts).sum()
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_the_one_that_heard_of_a_proxy_last_is_believed() {
    let mut world = World::new();
    world.say("a", FromReplica::Proxy(state(1, 4000, 7)));
    world.say("b", FromReplica::Proxy(state(1, 10, 8)));
    let proxy = world.fleet.proxy("p", world.now).unwrap();
    assert_eq!(Fleet::acked(&proxy, &rollout()), Some(8));
    assert_eq!(world.fleet.heard(&rollout()), 8);
}

#[tokio::test(start_paused = true)]
async fn a_proxys_newer_life_counts_whatever_is_still_told_of_the_former() {
    let mut world = World::new();
    world.say("a", FromReplica::Proxy(state(1, 0, 7)));
    world.say("b", FromReplica::Proxy(state(2, 3000, 0)));
    assert_eq!(world.fleet.proxy("p", world.now).unwrap().state.epoch, 2);
}

#[tokio::test(start_paused = true)]
async fn silence_goes_on_while_nothing_is_said() {
    let mut world = World::new();
    world.say("a", FromReplica::Proxy(state(1, 500, 7)));
    let later = world.now + Duration::from_secs(6);
    assert_eq!(world.fleet.proxy("p", later).unwrap().silent, Duration::from_millis(6500));
}

#[tokio::test(start_paused = true)]
async fn rows_that_come_through_two_replicas_count_once() {
    let mut world = World::new();
    world.say("a", rows(1, 10));
    world.say("b", rows(1, 10));
    world.say("b", rows(1, 12));
    assert_eq!(world.attempts(), 12);
    world.say("a", rows(2, 5));
    assert_eq!(world.attempts(), 17);
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_synced_from_its_word_until_its_stream_ends() {
    let mut world = World::new();
    world.say("a", FromReplica::Synced);
    assert!(world.fleet.is_synced(["a"].into_iter()));
    assert!(!world.fleet.is_synced(["a", "b"].into_iter()));
    world.tell("a", Told::Opened);
    assert!(!world.fleet.is_synced(["a"].into_iter()));
    world.say("a", FromReplica::Synced);
    world.tell("a", Told::Closed);
    assert!(!world.fleet.is_synced(["a"].into_iter()));
}
