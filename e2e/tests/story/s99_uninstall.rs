//! What is installed can be removed, whatever of it still lives, and pods go on serving.
//!
//! These come last by name; what they remove, no later test needs.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{
    Namespace,
    app::Server,
    eventually,
    kubectl::kubectl,
    load::Load,
    mesh,
    namespace::{Injection, within},
    world::{repository, run},
};

#[test]
fn deleting_the_mesh_removes_all_that_was_made_for_it_and_it_can_be_made_again() {
    run(|world| async move {
        for alive in [true, false] {
            mesh::installed(&world).await?;
            let name = if alive { "deleted-alive" } else { "deleted-dead" };
            within(&world, name, Injection::On, |shop| async move {
                let load = serving(&shop).await?;
                if !alive {
                    mesh::sleep().await?;
                }
                kubectl(["delete", "mesh", "default", "--wait=false"]).await?;
                nothing_is_left(&[MADE]).await?;
                still_served(&load).await?;

                // As if nothing had been: new pods trust the new root.
                mesh::installed(shop.world()).await?;
                kubectl(["rollout", "restart", "-n", &shop.name, "deployment"]).await?;
                shop.rolled_out("server").await?;
                shop.rolled_out("load").await
            })
            .await?;
        }
        Ok(())
    });
}

#[test]
fn deleting_the_manifests_removes_everything_with_and_without_a_living_control_plane() {
    run(|world| async move {
        for alive in [true, false] {
            mesh::installed(&world).await?;
            let name = if alive { "removed-alive" } else { "removed-dead" };
            within(&world, name, Injection::On, |shop| async move {
                let load = serving(&shop).await?;
                if !alive {
                    mesh::sleep().await?;
                }
                let folder = repository("config/install");
                kubectl(["delete", "-f", &folder.to_string_lossy(), "--wait=false"]).await?;
                nothing_is_left(&[MADE, SHIPPED]).await?;
                still_served(&load).await
            })
            .await?;
        }
        Ok(())
    });
}

async fn serving(shop: &Namespace) -> Result<Load> {
    shop.apply(&Server { replicas: 2, ..Server::new("server") }.manifest()).await?;
    shop.rolled_out("server").await?;
    Load::start(shop, "load", "http://server:8080/", 50).await
}

/// That no request failed until now, and none does afterwards.
async fn still_served(load: &Load) -> Result<()> {
    load.expect_no_failure(20).await?;
    load.reset().await?;
    eventually("the load goes on", Duration::from_secs(20), || load.expect_no_failure(200)).await?;
    Ok(())
}

/// Waits until nothing of ours is left among these, a minute at most.
async fn nothing_is_left(places: &[&[(&str, &str)]]) -> Result<()> {
    eventually("nothing of ours is left", Duration::from_secs(60), || async {
        let mut left = Vec::new();
        for (kinds, ours) in places.iter().copied().flatten() {
            // A kind that is no longer known has no objects.
            let listed = kubectl(["get", kinds, "-A", "-o", "name", "--ignore-not-found"]).await;
            let listed = listed.or_else(|error| {
                let gone = format!("{error:#}").contains("doesn't have a resource type");
                if gone { Ok(String::new()) } else { Err(error) }
            })?;
            let found =
                listed.lines().filter(|name| ours.split(' ').any(|ours| name.contains(ours)));
            left.extend(found.map(str::to_owned));
        }
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await
}

/// Kinds of what the operator makes, and what its objects of them are called. What config/install/
/// ships of the same kinds has other names.
const MADE: &[(&str, &str)] = &[
    ("mutatingwebhookconfigurations,validatingwebhookconfigurations", "serin"),
    (
        "validatingadmissionpolicies,validatingadmissionpolicybindings",
        "serin-rollout-gate serin-injection-required",
    ),
    ("services,endpointslices,poddisruptionbudgets", "serin"),
    ("deployments,replicasets,pods", "serin-control serin-webhook"),
    ("secrets,configmaps", "serin"),
    ("serviceaccounts,rolebindings,clusterrolebindings", "serin-control serin-webhook"),
    ("leases.coordination.k8s.io", "serin-control"),
    ("meshinstallations.serin.dev", "/"),
];

/// Kinds of all the rest.
const SHIPPED: &[(&str, &str)] = &[
    ("customresourcedefinitions,namespaces", "serin"),
    ("validatingadmissionpolicies,validatingadmissionpolicybindings", "serin"),
    ("clusterroles,clusterrolebindings,roles,rolebindings", "serin"),
    ("deployments,replicasets,pods,serviceaccounts", "serin"),
    ("leases.coordination.k8s.io", "serin"),
];
