//! One HTTP request from a pod, and what came of it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kube::ResourceExt as _;
use testkit::{client::http::Got, server::Described};

use crate::{Namespace, eventually};

impl Namespace {
    /// Sends a request from a pod such as `deploy/client`; whatever comes of it is no error.
    ///
    /// # Errors
    /// If the request cannot be sent at all.
    pub async fn request(&self, from: &str, url: &str, flags: &[&str]) -> Result<Got> {
        let url = format!("--url={url}");
        let mut arguments = vec!["http-client", &url, "--timeout=5s"];
        arguments.extend(flags);
        // The client exits with 1 or 2 for what is no success; what it printed is all that counts
        // here, and kubectl's own words stand before or after it.
        let said =
            self.testkit(from, &arguments).await.unwrap_or_else(|error| format!("{error:#}"));
        let json = said.find('{').and_then(|at| said.get(at..)).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<Got>();
        values.next().with_context(|| said.clone())?.with_context(|| said.clone())
    }

    /// Sends requests until testkit's server answers one well, and gives what it saw of it.
    ///
    /// # Errors
    /// If it does not within twenty seconds.
    pub async fn described(&self, from: &str, url: &str, flags: &[&str]) -> Result<Described> {
        eventually("a good answer", Duration::from_secs(20), || async {
            match self.request(from, url, flags).await? {
                Got::Answer(answer) if answer.status == 200 => {
                    Ok(serde_json::from_str(&answer.body)?)
                }
                other => bail!("{other:?}"),
            }
        })
        .await
    }

    /// The metrics of the proxy of a pod with this label, fetched by another pod.
    ///
    /// # Errors
    /// If there is no such pod, or it does not answer.
    pub async fn metrics(&self, from: &str, selector: &str) -> Result<String> {
        let pod = self.pods(selector).await?.pop().context("no pod")?;
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
        let ip = ip.with_context(|| format!("{} has no address", pod.name_any()))?;
        match self.request(from, &format!("http://{ip}:15020/metrics"), &[]).await? {
            Got::Answer(answer) => Ok(answer.body),
            Got::Nothing { error } => bail!("no metrics: {error}"),
        }
    }
}
