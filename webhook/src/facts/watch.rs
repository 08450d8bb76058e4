//! Keeps the facts current.

use api::canary::CanaryRollout;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, store::Writer},
        watcher,
    },
};
use runtime::{readiness::Readiness, tasks::Tasks};
use tracing::{info, warn};

use super::Facts;

/// Starts watching. The process is ready when both first lists are in.
pub fn watch(client: &Client, tasks: &Tasks, readiness: &Readiness) -> Facts {
    let (rollouts, write_rollouts) = reflector::store();
    let (namespaces, write_namespaces) = reflector::store();

    let stream = watcher(Api::<CanaryRollout>::all(client.clone()), watcher::Config::default());
    keep(tasks, "watch rollouts", write_rollouts, stream);
    let api = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let stream = watcher(api, watcher::Config::default());
    keep(tasks, "watch namespaces", write_namespaces, stream);

    let (first_rollouts, first_namespaces) =
        (readiness.token("CanaryRollouts"), readiness.token("Namespaces"));
    let facts = Facts { rollouts, namespaces };
    let known = facts.clone();
    tasks.spawn("first lists", async move {
        let rollouts = known.rollouts.wait_until_ready().await;
        first_rollouts.ready();
        let namespaces = known.namespaces.wait_until_ready().await;
        first_namespaces.ready();
        info!(complete = rollouts.is_ok() && namespaces.is_ok(), "first lists are in");
    });
    facts
}

/// Feeds a store from a watch until the process stops. The end of the watch ends the process: facts
/// that no longer change would gate the wrong pods.
fn keep<K, S>(tasks: &Tasks, name: &'static str, writer: Writer<K>, stream: S)
where
    K: Resource + Clone + Send + Sync + 'static,
    K::DynamicType: Eq + std::hash::Hash + Clone + Default + Send + Sync,
    S: futures::Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
{
    let stop = tasks.token();
    tasks.spawn_critical(name, async move {
        let stream = stream.default_backoff().reflect(writer).take_until(stop.cancelled_owned());
        stream
            .for_each(|event| async move {
                if let Err(error) = event {
                    warn!(%error, name, "watch interrupted");
                }
            })
            .await;
    });
}
