//! Connections in plain text that were let in before the workload became strict: they are told to
//! end, and cut if they have not a while later.

use std::rc::Rc;

use tokio::sync::watch;

use super::visitor::Visitor;
use crate::{http::Local, metrics::Event, worker::Worker};

/// Waits until none but peers of the mesh may come in.
pub(super) async fn turned(worker: &Worker) {
    until(&mut worker.plane.discovery.strict(), true).await;
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

async fn until(strict: &mut watch::Receiver<bool>, wanted: bool) {
    if strict.wait_for(|strict| *strict == wanted).await.is_err() {
        // Nobody changes the policy any more.
        std::future::pending::<()>().await;
    }
}
