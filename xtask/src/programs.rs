//! Programs that others wrote in Go, those of a local Kubernetes first: built from their modules
//! into the cache, once a version.
//!
//! `xtask/kubernetes/*/go.mod` and `xtask/conformance/*/go.mod` say which versions; they lie apart
//! because their requirements disagree.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::command;
use crate::progress::step;
use crate::workspace::Workspace;

/// Where the programs of one set of versions lie.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// kube-apiserver, kubelet, kubectl and their like.
    pub(crate) kubernetes: PathBuf,
    pub(crate) etcd: PathBuf,
    pub(crate) coredns: PathBuf,
    /// The Gateway API's CustomResourceDefinitions, standard channel.
    pub(crate) gateway_api: PathBuf,
}

impl Programs {
    /// Builds what the cache does not hold yet.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        Ok(Self {
            kubernetes: build(workspace, &KUBERNETES)?,
            etcd: build(workspace, &ETCD)?,
            coredns: build(workspace, &COREDNS)?,
            gateway_api: gateway_api(workspace)?,
        })
    }

    pub(crate) fn kubectl(&self) -> PathBuf {
        self.kubernetes.join("kubectl")
    }
}

/// The version that a go.mod asks of the module it is about.
pub(crate) fn required_version(go_mod: &str, module: &str) -> Option<String> {
    go_mod
        .lines()
        .map(|line| line.trim().trim_start_matches("require "))
        .find_map(|line| line.strip_prefix(module)?.strip_prefix(' '))
        .and_then(|version| version.split_whitespace().next())
        .map(str::to_owned)
}

/// A Go module some of whose programs are needed.
#[derive(Debug)]
pub(crate) struct Module {
    /// The folder of `xtask` that its own folder lies in.
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    /// Packages inside the module; the empty one is the module's own root.
    pub(crate) programs: &'static [&'static str],
    /// What the programs are called; go names them after the last part of their path.
    pub(crate) binary: Option<&'static str>,
}

const KUBERNETES: Module = Module {
    group: "kubernetes",
    name: "kubernetes",
    path: "k8s.io/kubernetes",
    programs: &[
        "/cmd/kube-apiserver",
        "/cmd/kube-controller-manager",
        "/cmd/kube-proxy",
        "/cmd/kube-scheduler",
        "/cmd/kubectl",
        "/cmd/kubelet",
    ],
    binary: None,
};

const ETCD: Module = Module {
    group: "kubernetes",
    name: "etcd",
    path: "go.etcd.io/etcd/server/v3",
    programs: &[""],
    binary: Some("etcd"),
};

const COREDNS: Module = Module {
    group: "kubernetes",
    name: "coredns",
    path: "github.com/coredns/coredns",
    programs: &[""],
    binary: Some("coredns"),
};

/// Builds its programs, unless the cache holds them, and says where they lie.
pub(crate) fn build(workspace: &Workspace, module: &Module) -> Result<PathBuf> {
    let source = workspace.root.join("xtask").join(module.group).join(module.name);
    let go_mod = fs::read_to_string(source.join("go.mod"))
        .with_context(|| format!("cannot read {}/go.mod", source.display()))?;
    let version = required_version(&go_mod, module.path)
        .with_context(|| format!("{}/go.mod does not require {}", source.display(), module.path))?;
    let finished = workspace.cache.join("bin").join(format!("{}-{version}", module.name));
    into_cache(&finished, &format!("build {} {version}", module.name), |folder| {
        let out = module.binary.map_or_else(|| folder.to_owned(), |name| folder.join(name));
        let programs = module.programs.iter().map(|program| format!("{}{program}", module.path));
        command::quiet(
            go()?
                .arg("-C")
                .arg(&source)
                .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", &ldflags(&version)])
                .arg("-o")
                .arg(out)
                .args(programs)
                .env("CGO_ENABLED", "0"),
        )
    })
}

/// Kubernetes reports the version it was linked with; others ignore the setting.
fn ldflags(version: &str) -> String {
    let mut parts = version.trim_start_matches('v').split('.');
    let major = parts.next().unwrap_or_default();
    let minor = parts.next().unwrap_or_default();
    let package = "k8s.io/component-base/version";
    format!(
        "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} \
         -X {package}.gitMinor={minor}"
    )
}

fn gateway_api(workspace: &Workspace) -> Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Download {
        dir: PathBuf,
    }

    let finished = workspace.cache.join("crd").join(format!("gateway-api-{GATEWAY_API}"));
    into_cache(&finished, &format!("download Gateway API {GATEWAY_API}"), |folder| {
        let module = format!("sigs.k8s.io/gateway-api@{GATEWAY_API}");
        let answer = command::read(go()?.args(["mod", "download", "-json", &module]))?;
        let download: Download = serde_json::from_str(&answer)?;
        for entry in fs::read_dir(download.dir.join("config/crd/standard"))? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("gateway.networking.k8s.io_") {
                // Written anew because the module cache is read-only.
                fs::write(folder.join(name), fs::read(entry.path())?)?;
            }
        }
        Ok(())
    })
}

/// Fills a directory of the cache; what is there is complete, because it is renamed into place.
pub(crate) fn into_cache(
    finished: &Path,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    if finished.exists() {
        return Ok(finished.to_owned());
    }
    let parent = finished.parent().context("the cache is not the root directory")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(parent)?;
    step(name, || fill(unfinished.path()))?;
    let unfinished = unfinished.keep();
    if let Err(error) = fs::rename(&unfinished, finished) {
        fs::remove_dir_all(&unfinished)?;
        // Somebody else may have been faster; theirs is as good.
        if !finished.exists() {
            return Err(error).with_context(|| format!("cannot create {}", finished.display()));
        }
    }
    Ok(finished.to_owned())
}

fn go() -> Result<Command> {
    if !command::succeeds(Command::new("go").arg("version")) {
        bail!(
            "programs are built from their Go modules: install Go 1.26 or newer (https://go.dev/dl)"
        );
    }
    Ok(Command::new("go"))
}

const GATEWAY_API: &str = "v1.6.3";
