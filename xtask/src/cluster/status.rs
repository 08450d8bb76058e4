//! Says what of a cluster runs.

use anyhow::{Result, bail};

use super::plan::Plan;
use super::{control_plane, daemon, network, node};

/// Prints one line per process; fails if one of them does not run.
pub(super) fn show(plan: &Plan) -> Result<()> {
    println!("cluster {}  {}  {}", plan.name, plan.api_server(), plan.kubeconfig().display());
    let mut down = 0;
    for machine in &plan.nodes {
        println!(
            "node {}  {}  pods {}  netns {}{}",
            machine.name,
            machine.address,
            machine.pod_range,
            machine.netns,
            if network::namespace_file(&machine.netns).exists() { "" } else { " (missing)" },
        );
        let control_plane: &[&str] = if machine.number == 1 { control_plane::DAEMONS } else { &[] };
        for name in control_plane.iter().chain(node::DAEMONS) {
            let alive = daemon::is_alive(&machine.dir, name);
            down += usize::from(!alive);
            println!(
                "  {:<24} {:<8} {}",
                name,
                if alive { "running" } else { "DOWN" },
                daemon::log_path(&machine.dir, name).display(),
            );
        }
    }
    if down > 0 {
        bail!("{down} processes do not run: `cargo xtask cluster up` starts them again");
    }
    Ok(())
}
