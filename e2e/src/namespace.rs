//! A namespace of a test's own.

use std::{future::Future, time::Duration};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{ResourceExt as _, api::ListParams};

use crate::{
    World, eventually,
    kubectl::{apply, kubectl},
};

/// A namespace of a test's own.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    world: World,
}

/// Whether a namespace's pods get a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Injection {
    /// They do.
    On,
    /// They do not.
    Off,
}

/// Runs `test` in a new namespace. When it fails, what is in the namespace is shown; afterwards it
/// is deleted.
///
/// # Errors
/// Whatever the test says.
pub async fn within<F, T>(world: &World, name: &str, injection: Injection, test: F) -> Result<()>
where
    F: FnOnce(Namespace) -> T,
    T: Future<Output = Result<()>>,
{
    let namespace = Namespace { name: format!("e2e-{name}"), world: world.clone() };
    namespace.create(injection).await?;
    let outcome = Box::pin(test(namespace.clone())).await;
    if outcome.is_err() {
        namespace.show().await;
    }
    let deleted = kubectl(["delete", "namespace", &namespace.name, "--wait=false"]).await;
    outcome?;
    deleted.map(drop)
}

impl Namespace {
    /// A namespace that is there already, and stays.
    #[must_use]
    pub fn existing(world: &World, name: &str) -> Self {
        Self { name: name.to_owned(), world: world.clone() }
    }

    /// The cluster that it is in.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    async fn create(&self, injection: Injection) -> Result<()> {
        let name = &self.name;
        eventually("an earlier run's namespace is gone", Duration::from_secs(90), || async {
            let found =
                kubectl(["get", "namespace", name, "--ignore-not-found", "-o", "name"]).await?;
            if found.trim().is_empty() {
                return Ok(());
            }
            kubectl(["delete", "namespace", name, "--wait=false"]).await?;
            bail!("{name} is still there")
        })
        .await?;
        let label = match injection {
            Injection::On => "{serin.dev/injection: enabled}",
            Injection::Off => "{}",
        };
        let manifest = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {label}}}\n"
        );
        apply(&manifest).await?;
        Ok(())
    }

    /// Applies a manifest whose objects name no namespace.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        let objects =
            manifest.replace("\nmetadata: {", &format!("\nmetadata: {{namespace: {}, ", self.name));
        apply(&objects).await
    }

    /// Waits until a Deployment has rolled out.
    ///
    /// # Errors
    /// If it does not within two minutes.
    pub async fn rolled_out(&self, deployment: &str) -> Result<()> {
        let target = format!("deployment/{deployment}");
        let timeout = "--timeout=120s";
        kubectl(["rollout", "status", "-n", &self.name, &target, timeout]).await?;
        Ok(())
    }

    /// Scales a Deployment.
    ///
    /// # Errors
    /// If there is none.
    pub async fn scale(&self, deployment: &str, replicas: u32) -> Result<()> {
        let (target, count) =
            (format!("deployment/{deployment}"), format!("--replicas={replicas}"));
        kubectl(["scale", "-n", &self.name, &target, &count]).await.map(drop)
    }

    /// Pods with a label, those that are being deleted left out.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn pods(&self, selector: &str) -> Result<Vec<Pod>> {
        let pods = self.world.namespaced::<Pod>(&self.name);
        let pods = pods.list(&ListParams::default().labels(selector)).await?;
        let lives = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
        Ok(pods.items.into_iter().filter(lives).collect())
    }

    /// The name of the one pod with a label.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub async fn pod(&self, selector: &str) -> Result<String> {
        let pods = self.pods(selector).await?;
        match pods.as_slice() {
            [only] => Ok(only.name_any()),
            several => bail!("{} pods with {selector}", several.len()),
        }
    }

    /// A Deployment.
    ///
    /// # Errors
    /// If there is none.
    pub async fn deployment(&self, name: &str) -> Result<Deployment> {
        let deployments = self.world.namespaced::<Deployment>(&self.name);
        deployments.get(name).await.with_context(|| format!("deployment {name}"))
    }

    /// Runs a command of testkit in a container.
    ///
    /// # Errors
    /// If it exits with anything but 0.
    pub async fn testkit(&self, target: &str, arguments: &[&str]) -> Result<String> {
        let mut command = vec!["testkit"];
        command.extend(arguments);
        crate::kubectl::exec(&self.name, target, "app", &command).await
    }

    async fn show(&self) {
        let name = self.name.as_str();
        for arguments in [
            vec!["get", "mesh", "-o", "wide"],
            vec!["get", "pods,canary,httproutes", "-n", name, "-o", "wide"],
            vec!["get", "events", "-n", name, "--sort-by=.lastTimestamp"],
            vec![
                "logs",
                "-n",
                name,
                "-l",
                "serin.dev/meshed=true",
                "-c",
                "serin-proxy",
                "--tail=20",
                "--prefix",
            ],
        ] {
            let said = kubectl(&arguments).await.unwrap_or_else(|error| format!("{error:#}"));
            show(&format!("$ kubectl {}\n{said}", arguments.join(" ")));
        }
    }
}

#[expect(clippy::print_stderr, reason = "what a failed test shows")]
fn show(text: &str) {
    eprintln!("{text}");
}
