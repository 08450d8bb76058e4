//! Connections in plain text that were let in before the workload became strict: they are told to
//! end, and cut if they have not a while later.

use std::rc::Rc;

use model::inbound::MtlsMode;

use super::{policy, visitor::Visitor};
use crate::{http::Local, metrics::Event, worker::Worker};

/// Waits until none but peers of the mesh may come in.
pub(super) async fn turned(worker: &Worker) {
    let is_strict = |_: &u64| policy(worker).is_some_and(|policy| policy.mtls == MtlsMode::Strict);
    if worker.plane.discovery.changed().wait_for(is_strict).await.is_err() {
        // Nobody changes the policy any more.
        std::future::pending::<()>().await;
    }
}

/// Waits until what `visitor` has open is to be cut; for ever if it is a peer.
pub(super) fn overdue(visitor: &Visitor) -> Local<()> {
    if visitor.is_peer {
        return Box::pin(std::future::pending());
    }
    let worker = Rc::clone(&visitor.worker);
    Box::pin(async move {
        turned(&worker).await;
        tokio::time::sleep(worker.plane.settings.strict_grace).await;
        worker.count(Event::RefusedPlain);
    })
}
