//! Brings a cluster up. Every step makes only what is missing, so that running it again repairs.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::plan::{Node, Plan};
use super::{addon, control_plane, load, network, node, pki, remove};
use crate::command;
use crate::image::{self, Image};
use crate::parallel::{self, Work};
use crate::programs::Programs;
use crate::progress::{Stopwatch, step};
use crate::workspace::Workspace;

pub(super) fn run(workspace: &Workspace, plan: &Plan, gateway_api: bool) -> Result<()> {
    let programs = Programs::ensure(workspace)?;
    let images = image::make_for_cluster(workspace)?;
    let watch = Stopwatch::start();
    step("lay out network and certificates", || {
        for node in &plan.nodes {
            fs::create_dir_all(&node.dir)
                .with_context(|| format!("cannot create {}", node.dir.display()))?;
        }
        remove::remember_boot(plan)?;
        pki::ensure(plan)?;
        pki::write_kubeconfig(plan, pki::ADMIN, &plan.kubeconfig())?;
        network::ensure(plan)
    })?;
    step("start etcd, API server and containerd", || {
        let api_server: Work<'_> = Box::new(|| control_plane::start_api_server(plan, &programs));
        let images = &images;
        let each = |node| -> Work<'_> { Box::new(move || start_containers(node, images)) };
        parallel::all(std::iter::once(api_server).chain(plan.nodes.iter().map(each)).collect())
    })?;
    step("start controllers, kubelets and kube-proxies", || {
        addon::apply_nodes(plan, &programs)?;
        control_plane::start_controllers(plan, &programs)?;
        plan.nodes.iter().try_for_each(|node| node::start_agents(plan, node, &programs))
    })?;
    step("apply cluster DNS and the Gateway API's kinds", || {
        addon::apply_dns(plan, &programs)?;
        if gateway_api {
            addon::apply_folder(plan, &programs, &programs.gateway_api)?;
        }
        Ok(())
    })?;
    step("wait for nodes and DNS", || wait(plan, &programs))?;
    println!("Cluster {} is up, {} nodes, after {watch}.", plan.name, plan.nodes.len());
    println!("Its kubeconfig is {} (inside its network only).", plan.kubeconfig().display());
    Ok(())
}

fn start_containers(node: &Node, images: &[Image]) -> Result<()> {
    node::start_containerd(node)?;
    load::load(node, images)
}

fn wait(plan: &Plan, programs: &Programs) -> Result<()> {
    let limit = format!("--timeout={}s", READY.as_secs());
    let ready = ["wait", "--for=condition=Ready", &limit];
    command::quiet(
        control_plane::kubectl(plan, programs)
            .args(ready)
            .args(plan.nodes.iter().map(|node| format!("node/{}", node.name))),
    )?;
    command::quiet(
        control_plane::kubectl(plan, programs)
            .args(["--namespace", "kube-system", "rollout", "status", "deployment/coredns"])
            .arg(limit),
    )
}

const READY: Duration = Duration::from_secs(120);
