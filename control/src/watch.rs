//! What the control plane watches, and what it keeps of each object.
//!
//! Each kind is followed by a task of its own, which reads objects, keeps the few fields that
//! matter and hands them to the one task that owns the index. What they mean together is not known
//! here.

use std::pin::pin;

use api::{
    canary::CanaryRollout,
    gateway::{HTTPRoute, ReferenceGrant},
    mesh::MeshInstallation,
};
use cluster::watch::{Change, Meter, Missing, Watch};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::{
    core::v1::{Node as KubeNode, Pod as KubePod, Service as KubeService},
    discovery::v1::EndpointSlice,
    networking::v1::ServiceCIDR,
};
use kube::{
    Api, Client,
    core::{ApiResource, DeserializeGuard, DynamicObject},
};
use runtime::tasks::Tasks;
use tokio::sync::mpsc;

pub use cidr::ServiceCidr;
pub use grant::Grant;
pub use installation::Installation;
pub use node::Node;
pub use pod::{Gate, NamedPort, Owner, Pod};
pub use rollout::Rollout;
pub use route::HttpRoute;
pub use service::{Family, Service, ServicePort, TargetPort};
pub use slice::{Slice, SliceEndpoint, SlicePort, TargetPod};

mod cidr;
mod grant;
mod installation;
mod node;
mod pod;
mod rollout;
mod route;
mod service;
mod slice;

/// What happened in the cluster.
#[derive(Clone, Debug)]
pub enum Event {
    /// To pods.
    Pods(Change<Pod>),
    /// To services.
    Services(Change<Service>),
    /// To endpoint slices.
    Slices(Change<Slice>),
    /// To nodes.
    Nodes(Change<Node>),
    /// To the mesh's declaration.
    Installations(Change<Installation>),
    /// To what rollouts decided.
    Rollouts(Change<Rollout>),
    /// To routes.
    Routes(Change<HttpRoute>),
    /// To what lets routes lead to other namespaces.
    Grants(Change<Grant>),
    /// To the ranges that services get their addresses from.
    ServiceCidrs(Change<ServiceCidr>),
}

/// Watches everything. Events of one kind arrive in order; kinds are not ordered among each other.
pub fn spawn(tasks: &Tasks, client: &Client, meter: &Meter) -> mpsc::Receiver<Event> {
    let (events, queue) = mpsc::channel(QUEUE);
    let forward = Forward { tasks, events };
    let all = || client.clone();
    let guarded = Missing::Empty;

    let pods = Watch::<KubePod, _>::new("pods", Api::all(all()), Pod::keep).metered(meter);
    forward.run("watch pods", pods.changes(), Event::Pods);
    let services =
        Watch::<KubeService, _>::new("services", Api::all(all()), Service::keep).metered(meter);
    forward.run("watch services", services.changes(), Event::Services);
    let slices = Watch::<EndpointSlice, _>::new("endpointslices", Api::all(all()), Slice::keep)
        .metered(meter);
    forward.run("watch endpointslices", slices.changes(), Event::Slices);
    let nodes = Watch::<KubeNode, _>::new("nodes", Api::all(all()), Node::keep).metered(meter);
    forward.run("watch nodes", nodes.changes(), Event::Nodes);

    let meshes: Api<DeserializeGuard<MeshInstallation>> = Api::all(all());
    let meshes =
        Watch::new("meshinstallations", meshes, Installation::keep).metered(meter).named("default");
    forward.run("watch meshinstallations", meshes.changes(), Event::Installations);
    let rollouts: Api<DeserializeGuard<CanaryRollout>> = Api::all(all());
    let rollouts = Watch::new("canaryrollouts", rollouts, Rollout::keep).metered(meter);
    forward.run("watch canaryrollouts", rollouts.changes(), Event::Rollouts);
    let routes: Api<DynamicObject> = Api::all_with(all(), &ApiResource::erase::<HTTPRoute>(&()));
    let routes = Watch::new("httproutes", routes, HttpRoute::keep).metered(meter);
    forward.run("watch httproutes", routes.when_missing(guarded).changes(), Event::Routes);
    let grants: Api<DeserializeGuard<ReferenceGrant>> = Api::all(all());
    let grants = Watch::new("referencegrants", grants, Grant::keep).metered(meter);
    forward.run("watch referencegrants", grants.when_missing(guarded).changes(), Event::Grants);
    let cidrs = Watch::<ServiceCIDR, _>::new("servicecidrs", Api::all(all()), ServiceCidr::keep);
    let cidrs = cidrs.metered(meter).when_missing(guarded);
    forward.run("watch servicecidrs", cidrs.changes(), Event::ServiceCidrs);
    queue
}

struct Forward<'a> {
    tasks: &'a Tasks,
    events: mpsc::Sender<Event>,
}

impl Forward<'_> {
    /// Ends when the process is to stop, or nobody takes the events any more.
    fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        changes: impl Stream<Item = Change<T>> + Send + 'static,
        event: fn(Change<T>) -> Event,
    ) {
        let (events, stopping) = (self.events.clone(), self.tasks.token());
        let forward = async move {
            let all = hand_over(changes, event, events);
            stopping.run_until_cancelled(all).await.unwrap_or_default();
        };
        self.tasks.spawn_critical(name, forward);
    }
}

async fn hand_over<T>(
    changes: impl Stream<Item = Change<T>>,
    event: fn(Change<T>) -> Event,
    events: mpsc::Sender<Event>,
) {
    let mut changes = pin!(changes);
    while let Some(change) = changes.next().await {
        if events.send(event(change)).await.is_err() {
            return;
        }
    }
}

/// Events that wait for the index. A watch that finds it full waits, and the API server holds the
/// rest.
const QUEUE: usize = 256;
