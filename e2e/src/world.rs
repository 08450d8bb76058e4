//! The cluster under test.

use std::{future::Future, path::PathBuf};

use anyhow::{Context as _, Result};
use kube::{Api, Client, Resource, core::NamespaceResourceScope};
use runtime::settings::Env;
use serde::de::DeserializeOwned;

/// A cluster, and how to talk to it.
#[derive(Clone)]
pub struct World {
    /// For reading and waiting.
    pub client: Client,
    env: Env,
}

impl World {
    /// The cluster that KUBECONFIG names.
    ///
    /// # Errors
    /// If there is none, in a sentence.
    pub async fn new() -> Result<Self> {
        runtime::tls::install_provider();
        let env = Env::from_process();
        env.text("KUBECONFIG")
            .context("KUBECONFIG is not set: run the end-to-end tests with `cargo xtask e2e`")?;
        let client = Client::try_default().await.context("the cluster cannot be reached")?;
        Ok(Self { client, env })
    }

    /// Objects of a kind in a namespace.
    #[must_use]
    pub fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// How much of something a test does: `some` in CI, `all` with `cargo xtask e2e --full`.
    #[must_use]
    pub fn amount<T>(&self, some: T, all: T) -> T {
        if self.env.text("SERIN_E2E_FULL").is_some() { all } else { some }
    }

    /// The program `serinctl`.
    ///
    /// # Errors
    /// If nobody said where it is.
    pub fn serinctl(&self) -> Result<PathBuf> {
        let program = self.env.text("SERIN_E2E_SERINCTL").map(PathBuf::from);
        program.context(
            "SERIN_E2E_SERINCTL is not set: `cargo xtask e2e` builds serinctl and says where it is",
        )
    }

    /// The folder of a cluster that `cargo xtask cluster` made; none on somebody else's.
    #[must_use]
    pub fn cluster_dir(&self) -> Option<PathBuf> {
        self.env.text("SERIN_CLUSTER_DIR").map(PathBuf::from)
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("env", &self.env).finish_non_exhaustive()
    }
}

/// A file of the repository.
#[must_use]
pub fn repository(path: &str) -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.clone(), |root| root.join(path))
}

/// Shows a measurement to whoever runs the tests.
#[expect(clippy::print_stdout, reason = "a measurement that a person wants to see")]
pub fn say(text: &str) {
    println!("{text}");
}

/// Runs a test on a runtime of its own, and shows the whole chain of what went wrong.
///
/// # Panics
/// If the test fails.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn run<F, T>(test: F)
where
    F: FnOnce(World) -> T,
    T: Future<Output = Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(async { test(World::new().await?).await }));
    if let Err(error) = outcome {
        panic!("{error:#}");
    }
}
