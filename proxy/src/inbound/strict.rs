//! Connections in plain text that were let in before the workload became strict: they are told to
//! end, and cut if they have not a while later.

use std::{rc::Rc, time::Duration};

use tokio::{sync::watch, time::timeout};

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
        let plane = &worker.plane;
        strict_for(plane.settings.strict_grace, plane.discovery.strict()).await;
        worker.count(Event::RefusedPlain);
    })
}

/// Waits until `strict` has held for all of `grace`.
async fn strict_for(grace: Duration, mut strict: watch::Receiver<bool>) {
    loop {
        until(&mut strict, true).await;
        // Boxed: it is rare, and every plain connection would keep the room for it.
        let relented = Box::pin(timeout(grace, until(&mut strict, false))).await;
        if relented.is_err() {
            return;
        }
    }
}

async fn until(strict: &mut watch::Receiver<bool>, wanted: bool) {
    if strict.wait_for(|strict| *strict == wanted).await.is_err() {
        // Nobody changes the policy any more.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
