//! The listener: TLS, HTTP/2 and who is at the other end. What is said there is the business of the
//! services.

pub mod certificate;
mod connection;

use std::{sync::Arc, time::Duration};

use runtime::{clock::Clock, tasks::Tasks};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tonic::service::Routes;
use tracing::debug;

use crate::meter::Meter;
use certificate::Identities;
use connection::Connection;

/// Everything connections share.
#[derive(Clone, Debug)]
pub struct Server {
    /// The gRPC services.
    pub routes: Routes,
    /// What the replica shows, and whom it trusts.
    pub identities: Identities,
    /// The time of day, for certificates.
    pub clock: Clock,
    /// What is counted.
    pub meter: Meter,
    /// Where connections run.
    pub tasks: Tasks,
}

/// Accepts connections until the process is to stop. Connections then get a GOAWAY and end when
/// their last stream does.
pub async fn serve(listener: TcpListener, server: Server) {
    let (places, stop) = (Arc::new(Semaphore::new(CONNECTIONS)), server.tasks.token());
    while let Some(accepted) = stop.run_until_cancelled(accept(&listener, &places)).await {
        let Some((socket, place)) = accepted else { continue };
        let server = server.clone();
        let tasks = server.tasks.clone();
        tasks.spawn("connection", async move {
            server.meter.connections.inc();
            let meter = server.meter.clone();
            Connection::new(server).serve(socket).await;
            meter.connections.dec();
            drop(place);
        });
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _peer)) => Some((socket, place)),
        Err(error) => {
            debug!(%error, "connection not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Connections open at once; those beyond it wait in the listener's queue.
const CONNECTIONS: usize = 16_384;

/// How long nothing is accepted after an error, which usually is that there are no file
/// descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
