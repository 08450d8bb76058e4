//! The cluster's network: a namespace per node, and one that holds only the bridge between them.
//!
//! Nothing leads outside. The bridge has its own namespace because with bridge-nf-call-iptables
//! a packet over a bridge in a node's namespace would meet conntrack twice.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::plan::{Node, Plan};
use crate::command;

/// Makes what is missing of the namespaces, links and routes.
pub(crate) fn ensure(plan: &Plan) -> Result<()> {
    let fabric = &plan.fabric;
    namespace(fabric)?;
    if !has_link(fabric, BRIDGE) {
        ip(fabric, &["link", "add", BRIDGE, "type", "bridge", "forward_delay", "0"])?;
    }
    ip(fabric, &["link", "set", BRIDGE, "up"])?;
    for node in &plan.nodes {
        attach(fabric, node)?;
    }
    for node in &plan.nodes {
        for peer in plan.nodes.iter().filter(|peer| peer.number != node.number) {
            let via = peer.address.to_string();
            ip(&node.netns, &["route", "replace", &peer.pod_range, "via", &via])?;
        }
    }
    Ok(())
}

/// Removes the cluster's namespaces, and with them every link and rule inside.
pub(crate) fn remove(plan: &Plan) -> Result<()> {
    for netns in plan.nodes.iter().map(|node| &node.netns).chain([&plan.fabric]) {
        if namespace_file(netns).exists() {
            command::quiet(Command::new("ip").args(["netns", "delete", netns]))?;
        }
    }
    Ok(())
}

/// A command that will run inside a network namespace. `ip netns exec` would remount /sys and so
/// hide the cgroups.
pub(crate) fn inside(netns: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", namespace_file(netns).display())).arg("--").arg(program);
    command
}

/// Where iproute2 keeps a namespace by its name.
pub(crate) fn namespace_file(netns: &str) -> PathBuf {
    Path::new("/run/netns").join(netns)
}

fn attach(fabric: &str, node: &Node) -> Result<()> {
    let netns = &node.netns;
    namespace(netns)?;
    let port = format!("port{}", node.number);
    if !has_link(netns, UPLINK) {
        let peer = ["peer", "name", UPLINK, "netns", netns.as_str()];
        ip(fabric, &[["link", "add", &port, "type", "veth"].as_slice(), &peer].concat())?;
    }
    ip(fabric, &["link", "set", &port, "master", BRIDGE, "up"])?;
    let address = node.address.to_string();
    ip(netns, &["address", "replace", &format!("{address}/24"), "dev", UPLINK])?;
    ip(netns, &["link", "set", UPLINK, "up"])?;
    // Service addresses are rewritten after routing, so they need some route to begin with.
    ip(netns, &["route", "replace", "default", "dev", UPLINK, "src", &address])?;
    sysctl(netns, "net.ipv4.ip_forward", "1")
}

fn namespace(netns: &str) -> Result<()> {
    if !namespace_file(netns).exists() {
        command::quiet(Command::new("ip").args(["netns", "add", netns]))?;
    }
    ip(netns, &["link", "set", "lo", "up"])
}

fn has_link(netns: &str, link: &str) -> bool {
    command::succeeds(Command::new("ip").args(["-n", netns, "link", "show", link]))
}

fn ip(netns: &str, arguments: &[&str]) -> Result<()> {
    command::quiet(Command::new("ip").args(["-n", netns]).args(arguments))
}

fn sysctl(netns: &str, key: &str, value: &str) -> Result<()> {
    let setting = format!("{key}={value}");
    command::quiet(inside(netns, "sysctl").args(["--quiet", "--write", &setting]))
}

const BRIDGE: &str = "fabric";
const UPLINK: &str = "uplink";
