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
                nothing_is_left(&MADE).await?;
                no_lease_is_left().await?;
                load.expect_no_failure(20).await?;

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
                nothing_is_left(&MADE).await?;
                nothing_is_left(&SHIPPED).await?;
                load.expect_no_failure(20).await.map(drop)
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

/// Waits until no object of these kinds is ours, a minute at most.
async fn nothing_is_left(kinds: &[&str]) -> Result<()> {
    eventually("nothing of ours is left", Duration::from_secs(60), || async {
        let mut left = Vec::new();
        for kind in kinds {
            // A kind that is no longer known has no objects.
            let listed = kubectl(["get", kind, "-A", "-o", "name", "--ignore-not-found"]).await;
            let listed = listed.or_else(|error| {
                let gone = format!("{error:#}").contains("doesn't have a resource type");
                if gone { Ok(String::new()) } else { Err(error) }
            })?;
            left.extend(listed.lines().filter(|name| name.contains("serin")).map(str::to_owned));
        }
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await
}

/// Waits until the control plane's Lease is gone, a minute at most. The operator's own stays for as
/// long as the operator does.
async fn no_lease_is_left() -> Result<()> {
    eventually("the control plane's Lease is gone", Duration::from_secs(60), || async {
        let lease = ["get", "lease", "serin-control", "-n", "serin-system", "--ignore-not-found"];
        let left = kubectl(lease).await?;
        ensure!(left.is_empty(), "{left}");
        Ok(())
    })
    .await
}

/// Kinds of what the operator makes. What config/install/ ships of the same kinds has other names,
/// or goes as well.
const MADE: [&str; 7] = [
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "services,endpointslices",
    "poddisruptionbudgets",
    "secrets",
    "configmaps",
    "meshinstallations.serin.dev",
];

/// Kinds of all the rest.
const SHIPPED: [&str; 6] = [
    "customresourcedefinitions",
    "clusterroles,clusterrolebindings,roles,rolebindings",
    "validatingadmissionpolicies,validatingadmissionpolicybindings",
    "deployments,replicasets,pods",
    "namespaces",
    "serviceaccounts",
];
