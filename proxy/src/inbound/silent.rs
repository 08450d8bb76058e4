//! Clients from elsewhere that say nothing, perhaps because the application is to speak first.
//!
//! A peer of the mesh never gets the application's greeting in plain text: from the address of a
//! pod that has a proxy, its handshake is waited for until no proxy would still wait for an answer.

use std::{rc::Rc, time::Duration};

use model::{inbound::Inbound, key::Key, resource::Resource};

use super::{Arrived, opaque, refuse, visitor::Visitor};
use crate::{
    detect::opening::{Port, Stage},
    discovery::Answer,
    metrics::{Event, labels::Flags},
    tcp::stream::{Prefixed, Stream},
    tls,
    worker::Worker,
};

/// What asking the application comes to: its connection, or what is said of there being none.
pub(super) type Dialled = Result<(Stream, Rc<Visitor>), Missed>;

/// Who found no application, and what is said of it.
pub(super) struct Missed {
    visitor: Rc<Visitor>,
    flags: Flags,
}

/// Turns a client away that has heard nothing: nobody took its connection, or whoever did cut it.
pub(super) fn turn_away(client: Prefixed, dialled: Option<Dialled>) {
    let client = Stream::Plain(client);
    match dialled {
        Some(Ok((_, visitor))) => {
            opaque::turn_away(&visitor, &client, Flags::UpstreamTermination);
        }
        Some(Err(Missed { visitor, flags })) => opaque::turn_away(&visitor, &client, flags),
        None => client.reset(),
    }
}

/// Asks the application for a connection, once the client cannot be a peer of the mesh any more.
pub(super) async fn dial(
    worker: &Rc<Worker>,
    arrived: Arrived,
    policy: &Inbound,
    port: Port,
) -> Dialled {
    if port.begin() == Stage::Listening {
        worker.count(Event::FirstWordAwaited);
    }
    await_handshake(worker, arrived).await;
    let visitor = Visitor::new(worker, arrived, policy, None);
    match opaque::dial(&visitor).await {
        Ok(server) => Ok((server, visitor)),
        Err(flags) => Err(Missed { visitor, flags }),
    }
}

/// Carries bytes between a client that did not speak first and the application.
pub(super) async fn carry(
    worker: &Rc<Worker>,
    arrived: Arrived,
    policy: &Inbound,
    client: Prefixed,
    server: Option<(Stream, Rc<Visitor>)>,
    said: &[u8],
) {
    let client = Stream::Plain(client);
    if *worker.plane.discovery.strict().borrow() {
        return refuse(worker, &client, Event::RefusedPlain);
    }
    match server {
        Some((server, visitor)) => opaque::join(&visitor, client, server, said).await,
        None => {
            let visitor = Visitor::new(worker, arrived, policy, None);
            opaque::carry(&visitor, client, None).await;
        }
    }
}

/// Waits for as long as the client may be a peer of the mesh whose handshake is late.
async fn await_handshake(worker: &Rc<Worker>, arrived: Arrived) {
    let sender = (arrived.sender.ip(), arrived.original.port());
    if !may_be_a_peer(worker, arrived).await || worker.plain_peers.has(&sender) {
        return;
    }
    tokio::time::sleep(LATEST_HANDSHAKE).await;
    worker.plain_peers.learn(sender);
}

/// Whether the client's address may be that of a pod with a proxy. What the control plane cannot
/// say may be one if it lies in the mesh.
async fn may_be_a_peer(worker: &Rc<Worker>, arrived: Arrived) -> bool {
    let address = arrived.sender.ip();
    let is_ours = worker.mesh().is_none_or(|mesh| mesh.contains(address));
    if !is_ours || arrived.is_passed_on {
        return false;
    }
    match worker.plane.discovery.look_up(Key::Workload(address)).await {
        Answer::Found(Resource::Workload(workload)) => workload.identity.is_some(),
        Answer::Found(_) | Answer::Absent => false,
        Answer::Unavailable => true,
    }
}

/// How long a peer's handshake may be under way: a peer gives up before.
const LATEST_HANDSHAKE: Duration = tls::HANDSHAKE_LIMIT.saturating_add(Duration::from_secs(1));
