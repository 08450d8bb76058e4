//! What all clients have counted, and what it means.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use api::names::MESHED;
use e2e::{Namespace, eventually, kubectl::exec};
use kube::ResourceExt;
use testkit::{
    client::http::Got,
    collect::Report,
    load::{Failure, Stats},
};

use super::{
    Turnover,
    apps::{COLLECT, GENERATORS, RESTLESS, STEADY},
};

/// What came of each kind of traffic, by the name of the generator.
#[derive(Debug, Default)]
pub(super) struct Totals(BTreeMap<String, Stats>);

impl Totals {
    /// Tells the clients to end, and waits until all that there ever were have reported.
    pub(super) async fn of(shop: &Namespace, turnover: &Turnover) -> Result<Self> {
        for client in [STEADY, RESTLESS] {
            shop.scale(client, 0).await?;
        }
        let wanted = usize::try_from(2 + turnover.clients)? * GENERATORS.len();
        eventually("every client has reported", Duration::from_secs(90), || async {
            let reports = reports(shop).await?;
            ensure!(reports.len() >= wanted, "{} reports of {wanted}", reports.len());
            ensure!(reports.len() == wanted, "{} reports and not {wanted}", reports.len());
            Ok(Self::sum(reports))
        })
        .await
    }

    fn sum(reports: Vec<Report>) -> Self {
        let mut all = BTreeMap::<String, Stats>::new();
        for Report { name, stats } in reports {
            let sum = all.entry(name).or_default();
            sum.total += stats.total;
            sum.ok += stats.ok;
            sum.failed += stats.failed;
            sum.messages += stats.messages;
            sum.moves += stats.moves;
            sum.connections += stats.connections;
            sum.latency.p99_us = sum.latency.p99_us.max(stats.latency.p99_us);
            sum.latency.max_us = sum.latency.max_us.max(stats.latency.max_us);
            sum.failures.extend(stats.failures);
        }
        Self(all)
    }

    /// That nothing failed, and that there was something that could have.
    pub(super) fn expect_no_failure(&self) -> Result<()> {
        for client in [STEADY, RESTLESS] {
            for generator in GENERATORS {
                let name = format!("{client}/{}", generator.name);
                let stats = self.0.get(&name).with_context(|| format!("no report of {name}"))?;
                ensure!(stats.total > 0, "{name} did nothing");
            }
        }
        let failed: u64 = self.0.values().map(|stats| stats.failed).sum();
        ensure!(failed == 0, "{failed} failed");
        Ok(())
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "total, failed, messages answered, moved on, connections, slowest")?;
        for (name, stats) in &self.0 {
            let Stats { total, failed, messages, moves, connections, .. } = stats;
            let slowest = Duration::from_micros(stats.latency.max_us);
            writeln!(
                f,
                "  {name:28} {total:7} {failed:4} {messages:8} {moves:5} {connections:6} \
                 {slowest:8.0?}"
            )?;
            for Failure { unix_ms, kind, detail, .. } in &stats.failures {
                writeln!(f, "    {unix_ms}: {kind}: {detail}")?;
            }
        }
        Ok(())
    }
}

async fn reports(shop: &Namespace) -> Result<Vec<Report>> {
    let command = ["testkit", "http-client", "--url=http://127.0.0.1:9100/"];
    let said = exec(&shop.name, &format!("deploy/{COLLECT}"), "app", &command).await?;
    match serde_json::from_str(&said)? {
        Got::Answer(answer) => Ok(serde_json::from_str(&answer.body)?),
        Got::Nothing { error } => bail!("the collector does not answer: {error}"),
    }
}

/// That every pod has a proxy, those that came while a webhook was away as well, and no proxy that
/// lived through all of it was restarted.
pub(super) async fn all_is_meshed(shop: &Namespace) -> Result<()> {
    let pods = shop.pods("").await?;
    ensure!(!pods.is_empty(), "no pods");
    let plain: BTreeSet<_> = pods
        .iter()
        .filter(|pod| !pod.labels().contains_key(MESHED))
        .map(ResourceExt::name_any)
        .collect();
    ensure!(plain.is_empty(), "without a proxy: {plain:?}");
    for pod in &pods {
        let status = pod.status.clone().unwrap_or_default();
        let init = status.init_container_statuses.unwrap_or_default();
        for container in status.container_statuses.unwrap_or_default().into_iter().chain(init) {
            let (name, count) = (&container.name, container.restart_count);
            ensure!(count == 0, "{name} of {} was restarted {count} times", pod.name_any());
        }
    }
    Ok(())
}
