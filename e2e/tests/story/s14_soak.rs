//! Traffic of every protocol for a long time, while everything around it comes and goes.
//!
//! Nothing may fail, as testkit's load generator counts it (`testkit/src/load/talk.rs` says which
//! ends of a long connection are in order), and proxies that live through all of it may not grow.

mod apps;
mod churn;
mod figures;
mod memory;

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{
    Namespace, World, eventually, mesh,
    namespace::{Injection, within},
    world::{run, say},
};
use kube::ResourceExt as _;
use tokio::time::Instant;

use self::{churn::Turnover, figures::Totals, memory::Veterans};

#[test]
fn no_traffic_of_any_protocol_fails_while_pods_proxies_and_certificates_come_and_go() {
    run(|world| async move {
        mesh::installed(&world).await?;
        mesh::patch("{\"spec\":{\"ca\":{\"leafLifetime\":\"2m\"}}}").await?;
        let outcome = Box::pin(soaked(&world)).await;
        // Whatever was seen: the next test needs a mesh as it was.
        let restored = mesh::patch("{\"spec\":{\"ca\":{\"leafLifetime\":\"1d\"}}}").await;
        outcome?;
        restored
    });
}

async fn soaked(world: &World) -> Result<()> {
    let span = world.amount(Duration::from_secs(180), Duration::from_secs(1800));
    certificates_are_short(world).await?;
    within(world, "soak", Injection::On, |shop| async move { Box::pin(soak(&shop, span)).await })
        .await
}

async fn soak(shop: &Namespace, span: Duration) -> Result<()> {
    apps::start(shop).await?;
    let veterans = Veterans::of(shop).await?;
    let (before, start) = (veterans.certificates().await?, Instant::now());
    let end = start + span;
    let (turnover, memory) = tokio::try_join!(churn::until(shop, start, end), veterans.watch(end))?;
    let (took, after) = (start.elapsed(), veterans.certificates().await?);
    // Whatever they say: what came of the traffic is to be seen first.
    let is_meshed = figures::all_is_meshed(shop).await;
    let is_mutual = veterans.expect_mutual_tls().await;
    let totals = Totals::of(shop, &turnover).await?;
    say(&format!("{span:?} asked for, {took:?} taken; {turnover}"));
    say(&format!("certificates received, before and after: {before:?}, {after:?}"));
    say(&memory.to_string());
    say(&totals.to_string());
    totals.expect_no_failure()?;
    is_meshed?;
    is_mutual?;
    for (name, after) in &after {
        let signed = after.saturating_sub(before.get(name).copied().unwrap_or_default());
        let least = took.as_secs() / LONGEST_HALF_LIFE;
        ensure!(signed >= least, "{name} renewed {signed} times in {took:?}, not {least}");
    }
    memory.expect_flat()
}

/// Waits until the control plane signs certificates that are renewed every minute.
async fn certificates_are_short(world: &World) -> Result<()> {
    eventually("the control plane signs for two minutes", Duration::from_secs(90), || async {
        let control = world.namespaced::<k8s_openapi::api::apps::v1::Deployment>(SYSTEM);
        let control = control.get(api::names::CONTROL).await?;
        let text = serde_json::to_string(&control.spec)?;
        ensure!(text.contains("\"SERIN_LEAF_SECONDS\",\"value\":\"120\""), "{text}");
        let status = control.status.clone().unwrap_or_default();
        let (wanted, generation) = (status.replicas, control.metadata.generation);
        let is_out = status.observed_generation == generation
            && status.updated_replicas == wanted
            && status.available_replicas == wanted
            && status.unavailable_replicas.is_none();
        ensure!(is_out, "{} is not rolled out: {status:?}", control.name_any());
        Ok(())
    })
    .await
}

const SYSTEM: &str = api::names::SYSTEM_NAMESPACE;
/// Of a certificate that lives for two minutes: it is renewed at 45 to 55 per cent of its life,
/// and something may have to be tried again.
const LONGEST_HALF_LIFE: u64 = 72;
