//! The lease that lets one of several equal processes act.
//!
//! A holder that is cut off from the API server may believe in its lease for longer than the others
//! do. What it does then must be harmless: writes fail for want of an API server, and decisions
//! that give traffic wait for a write.

use std::time::Duration;

use kube::Client;
use kube_lease_manager::{LeaseManagerBuilder, LeaseParams};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Which lease, and who wants it.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The Lease's name.
    pub name: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// The name of this process: the pod's.
    pub holder: String,
}

/// Strives for the lease until `stop` fires, then gives it back. `held` says whether this process
/// may act.
pub async fn keep(
    client: Client,
    lease: Lease,
    held: watch::Sender<bool>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        if let Err(error) = Box::pin(hold(&client, &lease, &held, &stop)).await {
            warn!(%error, lease = lease.name, "lease not available");
        }
        held.send_replace(false);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn hold(
    client: &Client,
    lease: &Lease,
    held: &watch::Sender<bool>,
    stop: &CancellationToken,
) -> Result<(), kube_lease_manager::LeaseManagerError> {
    // The field manager is the holder's own, so that two processes conflict instead of overwriting
    // each other.
    let params = LeaseParams::new(&lease.holder, DURATION_SECONDS, GRACE_SECONDS)
        .with_field_manager(format!("{}-{}", lease.name, lease.holder));
    let builder = LeaseManagerBuilder::new(client.clone(), lease.name)
        .with_namespace(&lease.namespace)
        .with_parameters(params);
    let manager = Box::pin(builder.build()).await?;
    loop {
        let changed = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            changed = manager.changed() => changed?,
        };
        info!(lease = lease.name, held = changed, "lease changed hands");
        held.send_replace(changed);
    }
    held.send_replace(false);
    match tokio::time::timeout(RELEASE, manager.release()).await {
        Ok(released) => released,
        Err(_elapsed) => Ok(()),
    }
}

const DURATION_SECONDS: u64 = 15;
const GRACE_SECONDS: u64 = 8;
const PAUSE: Duration = Duration::from_secs(2);
const RELEASE: Duration = Duration::from_secs(3);
