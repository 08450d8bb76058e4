//! The programs that come from the distribution: looked for, and installed where that is possible.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command;
use crate::progress::step;

/// Makes sure every program of the distribution is there, and that this process may use them.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing(NEEDED);
    let names = missing.join(" ");
    if !is_root() {
        let also = if names.is_empty() { String::new() } else { format!(", and needs {names}") };
        bail!("a cluster needs root: it makes network namespaces and runs containers{also}");
    }
    if missing.is_empty() {
        return Ok(());
    }
    install_or_name(&missing)
}

/// Makes sure that these packages are there, for something that needs no root once they are.
pub(crate) fn ensure_these(needed: &[Package]) -> Result<()> {
    let missing = missing(needed);
    if missing.is_empty() { Ok(()) } else { install_or_name(&missing) }
}

fn install_or_name(missing: &[&str]) -> Result<()> {
    if !has_apt() {
        let names = missing.join(" ");
        bail!("install these Debian packages, or what your distribution calls them: {names}");
    }
    install(missing)
}

fn install(names: &[&str]) -> Result<()> {
    step(&format!("install {}", names.join(" ")), || {
        command::quiet(Command::new("apt-get").args(["update", "--quiet"]))?;
        command::quiet(
            Command::new("apt-get")
                .args(["install", "--yes", "--quiet", "--no-install-recommends"])
                .args(names)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    })
}

/// Whether packages can be installed here.
pub(crate) fn has_apt() -> bool {
    is_root() && command::succeeds(Command::new("apt-get").arg("--version"))
}

fn missing(needed: &[Package]) -> Vec<&'static str> {
    let mut missing: Vec<_> = needed
        .iter()
        .filter(|(_, places)| !places.iter().any(|place| Path::new(place).exists()))
        .map(|(package, _)| *package)
        .collect();
    missing.dedup();
    missing
}

fn is_root() -> bool {
    command::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// A Debian package, and where one of its files is found.
pub(crate) type Package = (&'static str, &'static [&'static str]);

const NEEDED: &[Package] = &[
    ("containerd", &["/usr/bin/containerd", "/usr/local/bin/containerd"]),
    ("runc", &["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"]),
    ("containernetworking-plugins", &["/usr/lib/cni/bridge"]),
    ("nftables", &["/usr/sbin/nft", "/sbin/nft"]),
    ("iptables", &["/usr/sbin/iptables", "/sbin/iptables"]),
    ("conntrack", &["/usr/sbin/conntrack", "/sbin/conntrack"]),
    ("iproute2", &["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"]),
    ("util-linux", &["/usr/bin/nsenter"]),
    ("mount", &["/usr/bin/umount", "/bin/umount"]),
    ("procps", &["/usr/bin/kill", "/bin/kill"]),
    ("busybox-static", &["/bin/busybox", "/usr/bin/busybox"]),
    ("ca-certificates", &["/etc/ssl/certs/ca-certificates.crt"]),
];
