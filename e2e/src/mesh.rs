//! The mesh under test: installed once, by whichever test comes first.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api::mesh::{MeshInstallation, MeshInstallationStatus};
use kube::Api;

use crate::{World, eventually, kubectl::kubectl, world::repository};

/// Makes sure that the mesh is installed and ready, with every setting at its default.
///
/// # Errors
/// If it is not ready within two minutes.
pub async fn installed(world: &World) -> Result<()> {
    let folder = repository("config/install");
    kubectl(["apply", "-f", &folder.to_string_lossy()]).await?;
    let crd = "crd/meshinstallations.serin.dev";
    kubectl(["wait", "--for=condition=Established", crd, "--timeout=30s"]).await?;
    let sample = repository("config/samples/mesh.yaml");
    kubectl(["apply", "-f", &sample.to_string_lossy()]).await?;
    kubectl(["wait", "--for=condition=Ready", "mesh/default", "--timeout=120s"]).await?;
    eventually("the mesh says how it is", Duration::from_secs(20), || async {
        status(world).await?.display.map(drop).context("no display yet")
    })
    .await
}

/// What the mesh says of itself.
///
/// # Errors
/// If there is no mesh, or it says nothing yet.
pub async fn status(world: &World) -> Result<MeshInstallationStatus> {
    let mesh = Api::<MeshInstallation>::all(world.client.clone()).get("default").await?;
    mesh.status.context("the mesh has no status yet")
}

/// Sets what pods do with peers that are not of the mesh.
///
/// # Errors
/// If the API server refuses it.
pub async fn mtls(mode: &str) -> Result<()> {
    patch(&format!("{{\"spec\":{{\"mtls\":{{\"mode\":\"{mode}\"}}}}}}")).await
}

/// Merges a patch into the installation.
///
/// # Errors
/// If the API server refuses it.
pub async fn patch(patch: &str) -> Result<()> {
    kubectl(["patch", "mesh", "default", "--type=merge", "-p", patch]).await.map(drop)
}

/// Waits until every live proxy holds its newest configuration.
///
/// # Errors
/// If they do not within half a minute.
pub async fn synced(world: &World, least: i32) -> Result<()> {
    eventually("every proxy is in sync", Duration::from_secs(30), || async {
        let proxies = status(world).await?.proxies.context("no proxies yet")?;
        ensure!(proxies.total >= least && proxies.synced == proxies.total, "{proxies:?}");
        Ok(())
    })
    .await
}
