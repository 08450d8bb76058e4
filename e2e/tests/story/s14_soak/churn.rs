//! What comes and goes: servers and clients in turns, and beside them the mesh's own pods.

use std::{fmt, time::Duration};

use anyhow::{Context as _, Result, ensure};
use api::names::{CONTROL, OPERATOR, SYSTEM_NAMESPACE, WEBHOOK};
use e2e::{Namespace, eventually, kubectl::kubectl, world::say};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{ResourceExt as _, api::ListParams};
use tokio::time::Instant;

use super::apps::{REPLICAS, RESTLESS, SERVERS};

/// How often everything was replaced.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turnover {
    /// Rolling restarts of servers.
    servers: u32,
    /// Rolling restarts of clients.
    pub(super) clients: u32,
    /// Times that servers were scaled up and down again.
    scaled: u32,
    /// Pods of the control plane, the webhook and the operator that were deleted.
    system: [u32; 3],
}

/// Replaces everything, in turns, until the time has come; each at least once.
pub(super) async fn until(shop: &Namespace, start: Instant, end: Instant) -> Result<Turnover> {
    let clock = Clock { start, end };
    let (applications, system) =
        tokio::try_join!(applications(shop, &clock), system(shop, &clock))?;
    Ok(Turnover { system, ..applications })
}

struct Clock {
    start: Instant,
    end: Instant,
}

impl Clock {
    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    fn say(&self, what: &str) {
        let (now, at) = (jiff::Timestamp::now(), self.start.elapsed().as_secs_f64());
        say(&format!("{at:7.1} s ({}): {what}", now.as_millisecond()));
    }
}

async fn applications(shop: &Namespace, clock: &Clock) -> Result<Turnover> {
    let mut turnover = Turnover::default();
    loop {
        for server in SERVERS {
            restart(shop, clock, server).await?;
            turnover.servers += 1;
            if clock.is_over() && turnover.scaled > 0 {
                return Ok(turnover);
            }
        }
        restart(shop, clock, RESTLESS).await?;
        turnover.clients += 1;
        for replicas in [5, REPLICAS] {
            scale(shop, clock, replicas).await?;
        }
        turnover.scaled += 1;
        if clock.is_over() {
            return Ok(turnover);
        }
    }
}

async fn restart(shop: &Namespace, clock: &Clock, name: &str) -> Result<()> {
    clock.say(&format!("restart {name}"));
    kubectl(["rollout", "restart", "-n", &shop.name, &format!("deploy/{name}")]).await?;
    shop.rolled_out(name).await?;
    gone_down(shop, name, if name == RESTLESS { 1 } else { REPLICAS }).await
}

async fn scale(shop: &Namespace, clock: &Clock, replicas: u32) -> Result<()> {
    clock.say(&format!("scale to {replicas}"));
    for server in SERVERS {
        shop.scale(server, replicas).await?;
    }
    for server in SERVERS {
        shop.rolled_out(server).await?;
        gone_down(shop, server, replicas).await?;
    }
    Ok(())
}

/// Waits until so many pods are left, those that were deleted gone for good.
async fn gone_down(shop: &Namespace, name: &str, count: u32) -> Result<()> {
    eventually("deleted pods are gone", Duration::from_secs(120), || async {
        let pods = shop.world().namespaced::<Pod>(&shop.name);
        let pods = pods.list(&ListParams::default().labels(&format!("deployment={name}"))).await?;
        let left = pods.items.len();
        ensure!(u32::try_from(left) == Ok(count), "{left} pods of {name}");
        Ok(())
    })
    .await
}

async fn system(shop: &Namespace, clock: &Clock) -> Result<[u32; 3]> {
    let mut deleted = [0; 3];
    loop {
        for (name, count) in [CONTROL, WEBHOOK, OPERATOR].into_iter().zip(&mut deleted) {
            delete_one(shop, clock, name).await?;
            *count += 1;
            tokio::time::sleep(REST).await;
        }
        if clock.is_over() {
            return Ok(deleted);
        }
    }
}

/// Deletes the oldest of a Deployment's pods, and waits for the one that takes its place.
async fn delete_one(shop: &Namespace, clock: &Clock, name: &str) -> Result<()> {
    let pods = shop.world().namespaced::<Pod>(SYSTEM_NAMESPACE);
    let ours = ListParams::default().labels(&format!("app.kubernetes.io/name={name}"));
    let pods = pods.list(&ours).await?.items.into_iter();
    let alive = pods.filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let oldest = alive.min_by_key(|pod| pod.metadata.creation_timestamp.clone());
    let oldest = oldest.with_context(|| format!("no pod of {name}"))?.name_any();
    clock.say(&format!("delete {oldest}"));
    kubectl(["delete", "pod", "-n", SYSTEM_NAMESPACE, &oldest]).await?;
    eventually("another has taken its place", Duration::from_secs(120), || async {
        let deployments = shop.world().namespaced::<Deployment>(SYSTEM_NAMESPACE);
        let status = deployments.get(name).await?.status.unwrap_or_default();
        let is_whole = status.replicas.is_some() && status.ready_replicas == status.replicas;
        ensure!(is_whole && status.unavailable_replicas.is_none(), "{name}: {status:?}");
        Ok(())
    })
    .await
}

impl fmt::Display for Turnover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { servers, clients, scaled, system: [control, webhook, operator] } = self;
        write!(
            f,
            "{servers} rolling restarts of servers, {clients} of clients, {scaled} times from \
             {REPLICAS} to 5 and back; deleted: {control} pods of the control plane, {webhook} of \
             the webhook, {operator} of the operator"
        )
    }
}

/// Between two of the mesh's own pods, so that there is a mesh most of the time.
const REST: Duration = Duration::from_secs(3);
