//! Writes statuses of routes, while this replica holds the lease.
//!
//! A write names the version it follows upon, so it never undoes what another controller wrote
//! meanwhile; a conflict needs no care, because the newer version is on its way here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::gateway::{HTTPRoute, HttpRouteStatus};
use cluster::{
    apply::within,
    client::{Error, Remedy},
    lease::{self, Lease},
    watch::ObjectName,
};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use runtime::{clock::Clock, tasks::Tasks};
use serde_json::json;
use tokio::{sync::watch, time::sleep};
use tracing::{debug, info, warn};

use super::{Entry, Sheet, merge};

/// Writes what `sheet` says, whenever this replica holds `lease`.
pub fn spawn(client: &Client, lease: Lease, sheet: Sheet, tasks: &Tasks) {
    let (may, held) = watch::channel(false);
    let keep = lease::keep(client.clone(), lease, may, tasks.token());
    tasks.spawn_critical("lease", keep);
    let clock = Clock::system();
    let writer = Writer { client: client.clone(), clock, written: BTreeMap::new() };
    let stop = tasks.token();
    tasks.spawn("route statuses", async move {
        stop.run_until_cancelled(writer.run(sheet, held)).await.unwrap_or_default();
    });
}

struct Writer {
    client: Client,
    clock: Clock,
    /// The version of each route that our last status followed upon. Until a newer one arrives
    /// there is nothing to add.
    written: BTreeMap<ObjectName, Arc<str>>,
}

impl Writer {
    async fn run(mut self, mut sheet: Sheet, mut held: watch::Receiver<bool>) {
        loop {
            let entries = Arc::clone(&sheet.borrow_and_update());
            let may = *held.borrow_and_update();
            let failed = if may { self.write_all(&entries).await } else { false };
            self.written.retain(|name, _| entries.contains_key(name));
            tokio::select! {
                changed = sheet.changed() => if changed.is_err() { return },
                changed = held.changed() => if changed.is_err() { return },
                () = sleep(AFTER_FAILURE), if failed => {}
            }
        }
    }

    /// Whether something is to be tried again.
    async fn write_all(&mut self, entries: &BTreeMap<ObjectName, Arc<Entry>>) -> bool {
        let mut failed = false;
        for (name, entry) in entries {
            let version = &entry.route.version;
            if self.written.get(name) == Some(version) {
                continue;
            }
            let Some(status) = merge::next(entry, self.now()) else { continue };
            match self.write(name, version, &status).await {
                Ok(()) => {
                    info!(route = %name, "status of route written");
                    self.written.insert(name.clone(), Arc::clone(version));
                }
                Err(error) => match error.remedy() {
                    Remedy::ReadAgain => debug!(route = %name, "route changed meanwhile"),
                    Remedy::Retry | Remedy::WaitForEdit => {
                        warn!(route = %name, %error, "status of route not written");
                        failed = true;
                    }
                },
            }
        }
        failed
    }

    async fn write(
        &self,
        name: &ObjectName,
        version: &str,
        status: &HttpRouteStatus,
    ) -> Result<(), Error> {
        // The answer is the route, and a status may say that the route cannot be read.
        let kind = ApiResource::erase::<HTTPRoute>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &name.namespace, &kind);
        let body = json!({"metadata": {"resourceVersion": version}, "status": status});
        let (params, patch) = (PatchParams::default(), Patch::Merge(body));
        match Box::pin(within(api.patch_status(&name.name, &params, &patch))).await {
            Ok(_written) => Ok(()),
            Err(source) => {
                let error = Error::request("write", format!("status of HTTPRoute {name}"), source);
                // A route that is gone has no status.
                if error.is_not_found() { Ok(()) } else { Err(error) }
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.now()).unwrap_or_default()
    }
}

/// The pause before what failed is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
