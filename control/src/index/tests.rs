//! When the index publishes, and when it does not yet.

use model::{
    decision::{DecidedSplit, RolloutId},
    key::Key,
    resource::Resource,
    revision::Revision,
    service::Share,
    weight::Weight,
};
use runtime::readiness::Readiness;

use super::{
    for_tests::{applied, asker, deleted, mesh, nothing, pod, rollout, service, service_id, trust},
    *,
};

struct Running {
    events: mpsc::Sender<Event>,
    decisions: watch::Sender<Arc<Vec<Decision>>>,
    trust: watch::Sender<Option<Arc<Trust>>>,
    views: Views,
    readiness: Readiness,
    tasks: Tasks,
}

fn start() -> Running {
    let (events, queue) = mpsc::channel(8);
    let (decisions, decided) = watch::channel(Arc::default());
    let (trust, trusted) = watch::channel(None);
    let inputs = Inputs { events: queue, decisions: decided, trust: trusted };
    let (tasks, readiness) = (Tasks::new(), Readiness::new());
    let domain = ClusterDomain("cluster.local".into());
    let setup = Setup { domain, known: readiness.token("index"), meter: Meter::new() };
    let Outputs { views, routes: _ } = spawn(&tasks, setup, inputs);
    Running { events, decisions, trust, views, readiness, tasks }
}

/// Running, and published once.
async fn started() -> Running {
    let mut index = start();
    index.trust.send_replace(Some(trust(1)));
    for event in nothing() {
        index.send(event).await;
    }
    index.send(applied(mesh("Permissive"))).await;
    index.send(applied(service("cart", "10.96.0.1"))).await;
    index.published().await;
    index
}

impl Running {
    async fn send(&self, event: Event) {
        self.events.send(event).await.unwrap();
    }

    async fn published(&mut self) {
        self.views.changed().await.unwrap();
        self.views.mark_unchanged();
    }

    /// How long the next snapshot takes.
    async fn next(&mut self) -> Duration {
        let begun = Instant::now();
        self.published().await;
        begun.elapsed()
    }

    fn split(&self) -> Option<u64> {
        let key = Key::Service(service_id("cart.shop:80"));
        let view = Arc::clone(&self.views.borrow());
        match view.resolve(&asker("shop", "caller"), &key) {
            Some(Resource::Service(service)) => service
                .backends
                .get(&service.id)
                .and_then(|backend| backend.split.as_ref())
                .map(|split| split.decision),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_before_everything_is_known() {
    let missing =
        ["pods", "services", "endpointslices", "nodes", "rollouts", "routes", "cidrs", "grants"];
    for (index, what) in missing.iter().enumerate() {
        let mut running = start();
        running.trust.send_replace(Some(trust(1)));
        running.send(applied(mesh("Permissive"))).await;
        for (_, event) in nothing().into_iter().enumerate().filter(|(place, _)| *place != index) {
            running.send(event).await;
        }
        let waited = tokio::time::timeout(Duration::from_secs(60), running.published()).await;
        assert!(waited.is_err(), "published without {what}");
        assert!(!running.readiness.is_ready());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_before_the_mesh_is_declared_and_has_roots() {
    for declared in [true, false] {
        let mut running = start();
        for event in nothing() {
            running.send(event).await;
        }
        if declared {
            running.send(applied(mesh("Permissive"))).await;
        } else {
            running.trust.send_replace(Some(trust(1)));
        }
        let waited = tokio::time::timeout(Duration::from_secs(60), running.published()).await;
        assert!(waited.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_snapshot_makes_the_process_ready() {
    assert!(started().await.readiness.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_change_is_published_when_changes_pause() {
    let mut running = started().await;
    running.send(applied(pod("a", "cart", "v1", "10.244.0.1"))).await;
    assert_eq!(running.next().await, QUIET);
}

#[tokio::test(start_paused = true)]
async fn changes_without_a_pause_are_published_all_the_same() {
    let mut running = started().await;
    let events = running.events.clone();
    running.tasks.spawn("busy cluster", async move {
        for round in 0..u32::MAX {
            let pod = pod("a", "cart", "v1", "10.244.0.1");
            let event = if round % 2 == 0 { applied(pod) } else { deleted(&pod) };
            if events.send(event).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(running.next().await <= LONGEST);
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_new_is_not_published() {
    let mut running = started().await;
    running.send(applied(service("cart", "10.96.0.1"))).await;
    let waited = tokio::time::timeout(Duration::from_secs(60), running.published()).await;
    assert!(waited.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_takes_traffic_away_waits_for_nothing() {
    let mut running = started().await;
    running.send(applied(rollout("cart", 5, "v2", 5000))).await;
    running.published().await;
    assert_eq!(running.split(), Some(5));
    let decision = Decision {
        rollout: RolloutId::new("shop", "cart"),
        number: 6,
        services: vec!["cart".into()],
        split: Some(DecidedSplit {
            canary: Revision::new("v2").unwrap(),
            share: Share::Weighted(Weight::NONE),
        }),
    };
    running.decisions.send_replace(Arc::new(vec![decision]));
    assert_eq!(running.next().await, Duration::ZERO);
    assert_eq!(running.split(), Some(6));
    running.send(applied(rollout("cart", 5, "v2", 5001))).await;
    running.send(applied(pod("a", "cart", "v1", "10.244.0.1"))).await;
    running.published().await;
    assert_eq!(running.split(), Some(6), "an older status does not give back");
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_when_the_process_does() {
    let running = started().await;
    let end = running.tasks.shutdown(Duration::from_secs(5)).await;
    assert_eq!(end, runtime::tasks::End::Clean);
}
