//! The story that `cargo xtask demo` tells: a shop under load, a good release, and two bad ones.
//!
//! Nothing here does what a user could not: manifests are applied, and what `kubectl` shows is
//! looked at.

use std::time::Duration;

use anyhow::{Context as _, Result};
use release::{Ending, Release};
use screen::Screen;

use crate::{
    Namespace, World, eventually,
    kubectl::{apply, kubectl},
    load::Load,
    mesh,
    world::repository,
};

mod release;
mod screen;

/// Tells the story and leaves everything up.
///
/// # Errors
/// If a part of it does not come true.
pub async fn run(world: &World) -> Result<()> {
    let mut screen = Screen::new();
    screen.chapter("The mesh: config/install/ and one MeshInstallation");
    mesh::installed(world).await?;
    screen::output("kubectl get mesh", &kubectl(["get", "mesh"]).await?);

    screen.chapter("The shop: frontend, catalogue, checkout and payment, 200 pages a second");
    let (shop, load) = open_shop(world).await?;
    screen::output("kubectl get pods -n shop", &kubectl(["get", "pods", "-n", "shop"]).await?);
    apply(ROLLOUT).await?;
    shop.rollout_guards("payment").await?;

    for release in RELEASES {
        screen.chapter(release.title);
        release::play(&mut screen, &shop, &load, &release).await?;
    }
    farewell(world, &screen).await
}

async fn open_shop(world: &World) -> Result<(Namespace, Load)> {
    let folder = repository("config/samples/shop");
    kubectl(["apply", "-f", &folder.to_string_lossy()]).await?;
    let (shop, customers) =
        (Namespace::existing(world, "shop"), Namespace::existing(world, "load"));
    for name in ["catalogue", "payment", "checkout", "frontend"] {
        shop.rolled_out(name).await?;
    }
    customers.rolled_out("load").await?;
    let load = Load::running(&customers, "deploy/load", "load");
    eventually("customers are served", Duration::from_secs(90), || async {
        let stats = load.stats().await?;
        (stats.ok > 100).then_some(()).with_context(|| format!("{} pages", stats.ok))
    })
    .await?;
    load.reset().await?;
    Ok((shop, load))
}

async fn farewell(world: &World, screen: &Screen) -> Result<()> {
    screen.chapter("Where this leaves us");
    for command in [
        &["get", "mesh"][..],
        &["get", "canary", "-A"],
        &["get", "events", "-n", "shop", "--field-selector=involvedObject.kind=CanaryRollout"],
    ] {
        screen::output(&format!("kubectl {}", command.join(" ")), &kubectl(command).await?);
    }
    let own = world.cluster_dir().is_some();
    let kubectl = if own { "cargo xtask kubectl" } else { "kubectl" };
    screen::text(&format!(
        "Everything is still up. To look around:\n  \
         {kubectl} describe canary payment -n shop     why each release ended as it did\n  \
         {kubectl} get mesh -o wide                    replicas, laggards, messages\n  \
         {kubectl} -n shop get pods -o wide            the readiness gates of the release on trial\n  \
         {kubectl} -n load exec deploy/load -c load -- testkit http-client --url http://127.0.0.1:9000/stats"
    ));
    if own {
        screen::text("  cargo xtask cluster down                      removes the cluster");
    }
    Ok(())
}

const RELEASES: [Release; 3] = [
    Release {
        title: "payment v2: a good release",
        version: "v2",
        fault: None,
        ending: Ending::Promoted,
    },
    Release {
        title: "payment v3: fails one call of twenty",
        version: "v3",
        fault: Some(("TESTKIT_ERROR_RATIO", "0.05")),
        ending: Ending::Withdrawn { back_to: "v2" },
    },
    Release {
        title: "payment v4: comes up well, and crashes again and again",
        version: "v4",
        fault: Some(("TESTKIT_CRASH_AFTER", "10s")),
        ending: Ending::Withdrawn { back_to: "v2" },
    },
];

/// The sample's rollout with less patience, as nobody wants to watch for a quarter of an hour.
const ROLLOUT: &str = "apiVersion: serin.dev/v1alpha1
kind: CanaryRollout
metadata: {name: payment, namespace: shop}
spec:
  targetRef: {name: payment}
  steps:
    - {weight: 10, hold: 5s, minRequests: 50}
    - {weight: 30, hold: 5s, minRequests: 200}
    - {weight: 60, hold: 5s, minRequests: 400}
  slo: {maxErrorRatio: 0.01}
";
