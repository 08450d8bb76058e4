//! The watches that make the world, merged into one stream of edits.

use std::time::Duration;

use api::names;
use cluster::watch::{Change, Meter, Mirror, Watch};
use futures::{
    StreamExt as _,
    stream::{BoxStream, SelectAll, select_all},
};
use kube::{Api, Client};
use tokio::sync::watch;

use super::{
    World, deployment, everywhere, keep_bundle, keep_mesh, keep_rollout, keep_secret, namespace,
    node, pod, service,
};

/// Changes the world, and says whether it made a difference.
type Edit = Box<dyn FnOnce(&mut World) -> bool + Send>;

/// The watches of all kinds. Those of our own Secrets are one each: our rights to them are by name.
pub(super) fn all(
    client: &Client,
    own: &str,
    meter: &Meter,
) -> SelectAll<BoxStream<'static, Edit>> {
    let secret = |name: &str| {
        let api = Api::namespaced(client.clone(), own);
        Watch::new("Secret", api, keep_secret).named(name).metered(meter)
    };
    let named = [names::CA_ROOT_SECRET, names::CA_SECRET, names::WEBHOOK_TLS_SECRET];
    let bundles = Watch::new("ConfigMap", everywhere(client), keep_bundle);
    let mut feeds = vec![
        feed(watch("MeshInstallation", client, keep_mesh, meter), |w| &mut w.meshes),
        feed(watch("CanaryRollout", client, keep_rollout, meter), |w| &mut w.rollouts),
        feed(watch("Namespace", client, namespace::keep, meter), |w| &mut w.namespaces),
        feed(watch("Node", client, node::keep, meter), |w| &mut w.nodes),
        feed(watch("Pod", client, pod::keep, meter), |w| &mut w.pods),
        feed(watch("Service", client, service::keep, meter), |w| &mut w.services),
        feed(watch("Deployment", client, deployment::keep, meter), |w| &mut w.deployments),
        feed(watch("ReplicaSet", client, deployment::keep_set, meter), |w| &mut w.replica_sets),
        feed(watch("Autoscaler", client, service::keep_autoscaler, meter), |w| &mut w.autoscalers),
        feed(watch("DisruptionBudget", client, service::keep_budget, meter), |w| &mut w.budgets),
        feed(bundles.named(names::TRUST_CONFIG_MAP).metered(meter), |w| &mut w.bundles),
    ];
    feeds.push(several(named.map(secret)));
    select_all(feeds)
}

/// Applies edits as they come. What is ready together is published together.
pub(super) async fn run(feeds: SelectAll<BoxStream<'static, Edit>>, worlds: &watch::Sender<World>) {
    let mut batches = feeds.ready_chunks(BATCH);
    while let Some(edits) = batches.next().await {
        worlds.send_if_modified(|world| {
            edits.into_iter().filter_map(|edit| edit(world).then_some(())).count() > 0
        });
        tokio::time::sleep(BREATH).await;
    }
}

fn watch<K, T>(
    kind: &'static str,
    client: &Client,
    keep: fn(&K) -> Option<T>,
    meter: &Meter,
) -> Watch<K, T>
where
    K: kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
    T: Send + 'static,
{
    Watch::new(kind, everywhere(client), keep).metered(meter)
}

fn feed<K, T>(
    watch: Watch<K, T>,
    part: fn(&mut World) -> &mut Mirror<T>,
) -> BoxStream<'static, Edit>
where
    K: kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
    T: PartialEq + Send + Sync + 'static,
{
    let edit = move |change| -> Edit {
        Box::new(move |world| {
            let mirror = part(world);
            let before = mirror.is_complete();
            let touched = mirror.apply(change);
            !touched.is_empty() || before != mirror.is_complete()
        })
    };
    watch.changes().map(edit).boxed()
}

/// Watches of single Secrets, each of which speaks of its own object only: together they make one
/// mirror, which is complete when each has spoken.
fn several<const N: usize>(
    watches: [Watch<k8s_openapi::api::core::v1::Secret, super::SecretFacts>; N],
) -> BoxStream<'static, Edit> {
    let streams = watches.map(|watch| watch.changes().boxed());
    let merged =
        futures::stream::unfold((streams, Parts::default()), |(mut streams, mut parts)| async {
            let polls = streams
                .iter_mut()
                .enumerate()
                .map(|(at, stream)| Box::pin(async move { (at, stream.next().await) }));
            let ((at, change), _, _) = futures::future::select_all(polls).await;
            let whole = parts.apply(at, change?, N);
            Some((whole, (streams, parts)))
        });
    let edit = |whole: Option<Change<super::SecretFacts>>| -> Edit {
        Box::new(move |world| {
            let Some(change) = whole else { return false };
            let before = world.secrets.is_complete();
            !world.secrets.apply(change).is_empty() || before != world.secrets.is_complete()
        })
    };
    merged.map(edit).boxed()
}

/// What each of several watches holds.
#[derive(Default)]
struct Parts(std::collections::BTreeMap<usize, Mirror<super::SecretFacts>>);

impl Parts {
    /// The whole, once each of `count` watches has spoken.
    fn apply(
        &mut self,
        at: usize,
        change: Change<super::SecretFacts>,
        count: usize,
    ) -> Option<Change<super::SecretFacts>> {
        self.0.entry(at).or_default().apply(change);
        let complete = self.0.values().filter(|part| part.is_complete()).count() == count;
        let objects = self.0.values().flat_map(Mirror::iter);
        let objects = objects.map(|(name, facts)| (name.clone(), (**facts).clone()));
        complete.then(|| Change::Reset(objects.collect()))
    }
}

const BATCH: usize = 1024;
/// Lets a burst of changes gather, at the price of a delay that nothing here can feel.
const BREATH: Duration = Duration::from_millis(5);
