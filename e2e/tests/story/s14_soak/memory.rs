//! The memory of proxies that live through everything.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::{Context as _, Result, ensure};
use e2e::{Namespace, scrape::Scrape};
use kube::ResourceExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::apps::{STEADY, VETERAN};

/// Pods that live through all of it, by name.
#[derive(Debug)]
pub(super) struct Veterans {
    shop: Namespace,
    /// The pod of each Deployment.
    pods: BTreeMap<String, String>,
}

/// What their proxies took, over time.
#[derive(Debug, Default)]
pub(super) struct Memory(BTreeMap<String, Vec<Sample>>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    mebibytes: f64,
    files: f64,
}

impl Veterans {
    pub(super) async fn of(shop: &Namespace) -> Result<Self> {
        let mut pods = BTreeMap::new();
        for pod in shop.pods(VETERAN).await? {
            let name = pod.labels().get("deployment").context("no label")?;
            pods.insert(name.clone(), pod.name_any());
        }
        ensure!(pods.len() == 4, "{pods:?}");
        Ok(Self { shop: shop.clone(), pods })
    }

    /// How many certificates each has received.
    pub(super) async fn certificates(&self) -> Result<BTreeMap<String, u64>> {
        let mut all = BTreeMap::new();
        for (name, pod) in &self.pods {
            let signed =
                self.scrape(pod).await?.sum("serin_proxy_certificate_signed_total", &[])?;
            all.insert(name.clone(), signed.to_string().parse()?);
        }
        Ok(all)
    }

    /// That the steady client has reached servers, by requests and by streams, over mutual TLS and
    /// not otherwise.
    pub(super) async fn expect_mutual_tls(&self) -> Result<()> {
        let scrape = self.scrape(self.pods.get(STEADY).context("no steady client")?).await?;
        // A stream that reached nobody is counted, too, as it ended; others are opened with `-`.
        let streams: &[_] = &[("response_flags", "-")];
        for (metric, served) in
            [("istio_requests_total", &[][..]), ("istio_tcp_connections_opened_total", streams)]
        {
            let security = |policy| [&[("connection_security_policy", policy)], served].concat();
            scrape.expect_some(metric, &security("mutual_tls"))?;
            scrape.expect(metric, &security("none"), 0)?;
        }
        Ok(())
    }

    /// Looks every ten seconds until the time has come.
    pub(super) async fn watch(&self, end: Instant) -> Result<Memory> {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let mut ticks = interval(Duration::from_secs(10));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            ticks.tick().await;
            for (name, pod) in &self.pods {
                let scrape = self.scrape(pod).await?;
                let mebibytes = scrape.sum("process_resident_memory_bytes", &[])? / MEBI;
                let files = scrape.sum("process_open_fds", &[])?;
                let seconds = start.elapsed().as_secs_f64();
                let samples = memory.0.entry(name.clone()).or_default();
                samples.push(Sample { seconds, mebibytes, files });
            }
        }
        Ok(memory)
    }

    /// The API server fetches it, which costs no process.
    async fn scrape(&self, pod: &str) -> Result<Scrape> {
        Scrape::through_the_api(&self.shop, pod).await.with_context(|| pod.to_owned())
    }
}

impl Memory {
    /// That none has grown since the first third, as a line through the samples has it.
    pub(super) fn expect_flat(&self) -> Result<()> {
        for (name, samples) in &self.0 {
            let figures = Figures::of(samples).with_context(|| format!("no figures of {name}"))?;
            let most = GROWTH.max(figures.median * GROWTH_OF_MEDIAN);
            ensure!(figures.growth < most, "{name} grew by {:.1} MiB", figures.growth);
        }
        Ok(())
    }
}

/// What is told of one proxy, its first third left out.
struct Figures {
    least: f64,
    median: f64,
    most: f64,
    /// Of the line through the samples, from its beginning to its end.
    growth: f64,
    per_hour: f64,
    files: f64,
}

impl Figures {
    fn of(samples: &[Sample]) -> Option<Self> {
        let late = samples.get(samples.len() / 3..)?;
        let (first, last) = (late.first()?, late.last()?);
        let mut sorted: Vec<_> = late.iter().map(|sample| sample.mebibytes).collect();
        sorted.sort_by(f64::total_cmp);
        let per_second = slope(late);
        Some(Self {
            least: *sorted.first()?,
            median: *sorted.get(sorted.len() / 2)?,
            most: *sorted.last()?,
            growth: per_second * (last.seconds - first.seconds),
            per_hour: per_second * 3600.0,
            files: late.iter().map(|sample| sample.files).fold(0.0, f64::max),
        })
    }
}

/// Of the line with the least squares, in MiB a second.
fn slope(samples: &[Sample]) -> f64 {
    let (mut count, mut x, mut y) = (0.0, 0.0, 0.0);
    for sample in samples {
        count += 1.0;
        x += sample.seconds;
        y += sample.mebibytes;
    }
    let (x, y) = (x / count, y / count);
    let (mut above, mut below) = (0.0, 0.0);
    for sample in samples {
        above += (sample.seconds - x) * (sample.mebibytes - y);
        below += (sample.seconds - x) * (sample.seconds - x);
    }
    if below > 0.0 { above / below } else { 0.0 }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "resident MiB of proxies from the first third on: min, median, max, per hour")?;
        for (name, samples) in &self.0 {
            let Some(figures) = Figures::of(samples) else { continue };
            let Figures { least, median, most, growth, per_hour, files } = figures;
            writeln!(
                f,
                "  {name:14} {least:6.1} {median:6.1} {most:6.1} {per_hour:+8.2} \
                 ({growth:+.2} in all, at most {files} files)"
            )?;
        }
        Ok(())
    }
}

const MEBI: f64 = 1024.0 * 1024.0;
/// What a proxy may grow after the first third, in MiB: what it keeps for peers that have come
/// since, and what the allocator does not give back.
const GROWTH: f64 = 4.0;
const GROWTH_OF_MEDIAN: f64 = 0.15;
