//! The mesh under test: installed once, by whichever test comes first.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api::{
    mesh::{MeshInstallation, MeshInstallationStatus},
    names::{CONTROL, OPERATOR, SYSTEM_NAMESPACE, WEBHOOK},
};
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
    get(world).await?.status.context("the mesh has no status yet")
}

/// The mesh itself.
///
/// # Errors
/// If there is none.
pub async fn get(world: &World) -> Result<MeshInstallation> {
    Ok(Api::<MeshInstallation>::all(world.client.clone()).get("default").await?)
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

/// Scales operator, control plane and webhook to nothing, and waits until they are gone.
///
/// # Errors
/// If they are not within two minutes.
pub async fn sleep() -> Result<()> {
    // The operator first: it would bring the others back.
    for deployment in [OPERATOR, CONTROL, WEBHOOK] {
        scale(deployment, 0).await?;
        let selector = format!("app.kubernetes.io/name={deployment}");
        eventually("its pods are gone", Duration::from_secs(60), || async {
            let pods = ["get", "pods", "-n", SYSTEM_NAMESPACE, "-l", &selector, "-o", "name"];
            let left = kubectl(pods).await?;
            ensure!(left.is_empty(), "{left}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Scales the operator up, which brings the others back, and waits until all is well.
///
/// # Errors
/// If it is not within two minutes.
pub async fn wake() -> Result<()> {
    scale(OPERATOR, 2).await?;
    for deployment in [OPERATOR, CONTROL, WEBHOOK] {
        eventually("it is back", Duration::from_secs(120), || async {
            let target = format!("deployment/{deployment}");
            let replicas = "jsonpath={.spec.replicas}/{.status.readyReplicas}";
            let said = kubectl(["get", "-n", SYSTEM_NAMESPACE, &target, "-o", replicas]).await?;
            let (wanted, ready) = said.split_once('/').context("no replicas")?;
            ensure!(wanted == ready && wanted != "0", "{deployment}: {ready} of {wanted}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Scales one of the mesh's own Deployments.
///
/// # Errors
/// If there is none.
pub async fn scale(deployment: &str, replicas: u32) -> Result<()> {
    let (target, count) = (format!("deployment/{deployment}"), format!("--replicas={replicas}"));
    kubectl(["scale", "-n", SYSTEM_NAMESPACE, &target, &count]).await.map(drop)
}
