//! What is at the address that the pod's connection was going to.

use std::{net::SocketAddr, rc::Rc};

use model::{
    key::Key,
    mesh::{Mesh, OutboundPolicy},
    resource::{Destination, Resource},
};

use super::view::View;
use crate::{discovery::Answer, metrics::Event, ports, worker::Worker};

/// Where a connection is to be carried.
#[derive(Debug)]
pub(super) enum Target {
    /// To an endpoint of something that the mesh knows.
    View(Rc<View>),
    /// To where it was going, as if there were no proxy: it leaves the mesh.
    Elsewhere,
    /// Nowhere.
    Refused(Event),
}

/// Finds out, waiting for the control plane if need be, never for longer than a look-up may take.
pub(super) async fn resolve(worker: &Rc<Worker>, original: SocketAddr) -> Target {
    let key = Key::Address(original);
    match worker.plane.discovery.look_up(key.clone()).await {
        Answer::Found(Resource::Destination(Destination::Service(id))) => {
            worker.plane.discovery.touch(&key);
            worker.directory.find(worker, &id).await.map_or_else(undiscovered, Target::View)
        }
        Answer::Found(Resource::Destination(Destination::Workload)) => {
            worker.plane.discovery.touch(&key);
            // There the pod's proxy answers itself, to Prometheus as to kubelet: nothing is
            // redirected that would answer a handshake.
            if original.port() == ports::POD_ADMIN {
                return Target::Elsewhere;
            }
            resolve_workload(worker, original).await
        }
        Answer::Found(_) | Answer::Unavailable => unavailable(worker, original),
        Answer::Absent => elsewhere(worker).await,
    }
}

async fn resolve_workload(worker: &Rc<Worker>, original: SocketAddr) -> Target {
    match worker.plane.discovery.look_up(Key::Workload(original.ip())).await {
        Answer::Found(Resource::Workload(workload)) => {
            Target::View(View::direct(worker, original, &workload))
        }
        // It is of the mesh, and whether it has a proxy is not known: plain text would be a guess.
        Answer::Absent => Target::Refused(Event::RefusedAbsent),
        Answer::Found(_) | Answer::Unavailable => undiscovered(),
    }
}

/// The control plane does not answer. An address of the mesh is then never spoken to in plain text.
fn unavailable(worker: &Worker, original: SocketAddr) -> Target {
    match worker.mesh() {
        Some(mesh) if !mesh.contains(original.ip()) => leave(&mesh),
        Some(_) | None => undiscovered(),
    }
}

/// The mesh knows of nothing there. That is an answer, not a failure: what leaves the mesh follows
/// its policy, which is waited for if it has not been heard yet.
async fn elsewhere(worker: &Worker) -> Target {
    if worker.mesh().is_none() {
        drop(worker.plane.discovery.look_up(Key::Mesh).await);
    }
    worker.mesh().map_or_else(undiscovered, |mesh| leave(&mesh))
}

const fn leave(mesh: &Mesh) -> Target {
    match mesh.outbound {
        OutboundPolicy::RegistryOnly => Target::Refused(Event::RefusedUnknown),
        OutboundPolicy::AllowAny => Target::Elsewhere,
    }
}

const fn undiscovered() -> Target {
    Target::Refused(Event::RefusedUndiscovered)
}
