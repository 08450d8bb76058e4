//! A load generator in the cluster, and what it counts.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::{client::http::Got, load::Stats};

use crate::{Namespace, app, eventually, kubectl::exec};

/// Load from one pod of a namespace.
#[derive(Clone, Debug)]
pub struct Load {
    namespace: Namespace,
    target: String,
    container: String,
    port: u16,
}

impl Load {
    /// Starts sending `rate` requests a second to `url`, and waits until some were answered well.
    ///
    /// # Errors
    /// If none is within a minute and a half.
    pub async fn start(namespace: &Namespace, name: &str, url: &str, rate: u32) -> Result<Self> {
        namespace.apply(&app::load(name, url, rate, &[])).await?;
        namespace.rolled_out(name).await?;
        let load = Self::running(namespace, &format!("deploy/{name}"), "app");
        eventually("the first good answers", Duration::from_secs(90), || async {
            let stats = load.stats().await?;
            ensure!(stats.ok > 10, "{} good answers", stats.ok);
            Ok(())
        })
        .await?;
        load.reset().await?;
        Ok(load)
    }

    /// Load that somebody else started, in a container of `target`.
    #[must_use]
    pub fn running(namespace: &Namespace, target: &str, container: &str) -> Self {
        let (target, container) = (target.to_owned(), container.to_owned());
        Self { namespace: namespace.clone(), target, container, port: PAGE }
    }

    /// With its page of counts on another port, where several share a pod.
    #[must_use]
    pub fn on_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// What was counted since the last reset.
    ///
    /// # Errors
    /// If the generator does not answer.
    pub async fn stats(&self) -> Result<Stats> {
        let body = self.ask("GET", "/stats").await?;
        serde_json::from_str(&body).with_context(|| format!("stats: {body}"))
    }

    /// Forgets what was counted.
    ///
    /// # Errors
    /// If the generator does not answer.
    pub async fn reset(&self) -> Result<()> {
        self.ask("POST", "/reset").await.map(drop)
    }

    /// That no request has failed, of at least `least`.
    ///
    /// # Errors
    /// If one has, with what the generator says of the last failures.
    pub async fn expect_no_failure(&self, least: u64) -> Result<Stats> {
        let stats = self.stats().await?;
        let (failed, failures) = (stats.failed, &stats.failures);
        ensure!(failed == 0, "{failed} of {} requests failed: {failures:#?}", stats.total);
        ensure!(stats.total >= least, "only {} requests of {least} were sent", stats.total);
        Ok(stats)
    }

    async fn ask(&self, method: &str, path: &str) -> Result<String> {
        let (url, method) =
            (format!("--url=http://127.0.0.1:{}{path}", self.port), format!("--method={method}"));
        let command = ["testkit", "http-client", &url, &method];
        let text = exec(&self.namespace.name, &self.target, &self.container, &command).await?;
        match serde_json::from_str(&text)
            .with_context(|| format!("the load generator says {text}"))?
        {
            Got::Answer(answer) => Ok(answer.body),
            Got::Nothing { error } => anyhow::bail!("the load generator does not answer: {error}"),
        }
    }
}

/// Where the page of counts is, unless said otherwise.
const PAGE: u16 = 9000;
