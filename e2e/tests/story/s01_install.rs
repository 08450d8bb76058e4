//! From nothing to a mesh, and the same manifests again.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app::Server,
    eventually,
    kubectl::kubectl,
    mesh,
    namespace::{Injection, within},
    world::{World, repository, run},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _, api::ListParams};

#[test]
fn a_mesh_comes_up_and_kubectl_get_mesh_tells_the_truth() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "install", Injection::Off, |shop| async move {
            shop.apply(&Server { replicas: 2, ..Server::new("catalogue") }.manifest()).await?;
            shop.rolled_out("catalogue").await?;
            ensure!(proxies_of(&shop.pods("app=catalogue").await?) == 0, "not asked for yet");
            kubectl(["label", "namespace", &shop.name, "serin.dev/injection=enabled"]).await?;
            kubectl(["rollout", "restart", "-n", &shop.name, "deploy"]).await?;
            shop.rolled_out("catalogue").await?;
            eventually("all pods are meshed", Duration::from_secs(30), || async {
                let pods = shop.pods("app=catalogue").await?;
                ensure!(pods.len() == 2 && proxies_of(&pods) == 2, "{} pods", pods.len());
                Ok(())
            })
            .await?;
            let world = World::new().await?;
            mesh::synced(&world, 2).await?;
            columns(&world).await
        })
        .await
    });
}

#[test]
fn applying_the_same_manifests_again_changes_nothing() {
    run(|world| async move {
        mesh::installed(&world).await?;
        let before = versions(&world).await?;
        let folder = repository("config/install");
        let said = kubectl(["apply", "-f", &folder.to_string_lossy()]).await?;
        let unchanged = said.lines().all(|line| line.ends_with("unchanged"));
        ensure!(unchanged, "kubectl apply changed something:\n{said}");
        mesh::installed(&world).await?;
        let after = versions(&world).await?;
        ensure!(before == after, "objects changed: {before:#?} {after:#?}");
        Ok(())
    });
}

#[test]
fn a_second_mesh_is_refused_in_a_sentence() {
    run(|world| async move {
        mesh::installed(&world).await?;
        let second = "apiVersion: serin.dev/v1alpha1\nkind: MeshInstallation\nmetadata: {name: second}\nspec: {}\n";
        let refused = e2e::kubectl::apply(second).await.err().context("it was accepted")?;
        ensure!(format!("{refused:#}").contains("a cluster has one mesh"), "{refused:#}");
        Ok(())
    });
}

fn proxies_of(pods: &[Pod]) -> usize {
    let has_proxy = |pod: &&Pod| {
        let spec = pod.spec.as_ref();
        let init = spec.and_then(|spec| spec.init_containers.as_ref());
        init.into_iter().flatten().any(|container| container.name == "serin-proxy")
    };
    pods.iter().filter(has_proxy).count()
}

/// The line that `kubectl get mesh` prints, column by column.
async fn columns(world: &World) -> Result<()> {
    let printed = kubectl(["get", "mesh"]).await?;
    let mut lines = printed.lines();
    let header: Vec<_> = lines.next().context("no header")?.split_whitespace().collect();
    ensure!(
        header
            == [
                "NAME",
                "VERSION",
                "READY",
                "PROXIES",
                "UNMESHED",
                "CA",
                "ROOT-EXPIRES",
                "ROLLOUTS",
                "AGE"
            ],
        "{header:?}"
    );
    let values: Vec<_> = lines.next().context("no line")?.split_whitespace().collect();
    let status = mesh::status(world).await?;
    let proxies = status.proxies.context("no proxies")?;
    let expected = format!("{}/{}", proxies.synced, proxies.total);
    ensure!(values.first() == Some(&"default") && values.get(1) == Some(&"0.1.0"), "{values:?}");
    ensure!(
        values.get(2) == Some(&"True") && values.get(3) == Some(&&*expected),
        "{values:?} {expected}"
    );
    ensure!(values.get(5) == Some(&"Idle"), "{values:?}");
    Ok(())
}

/// The generation of everything that the operator made.
async fn versions(world: &World) -> Result<Vec<(String, Option<i64>)>> {
    use k8s_openapi::api::apps::v1::Deployment;
    let deployments = Api::<Deployment>::namespaced(world.client.clone(), "serin-system");
    let all = deployments.list(&ListParams::default()).await?;
    Ok(all.iter().map(|it| (it.name_any(), it.metadata.generation)).collect())
}
