//! The images there are: what each is called, what has to be built for it, and what goes in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::closure;
use super::debian::Packages;
use super::layer::Contents;
use crate::command;
use crate::programs::Programs;
use crate::progress::step;
use crate::workspace::Workspace;

/// Something that runs in the cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Part {
    Operator,
    Control,
    Webhook,
    Proxy,
    Testkit,
    Pause,
    Coredns,
    Busybox,
    Prometheus,
    Mariadb,
}

impl Part {
    /// The programs of this workspace.
    pub(crate) const OURS: &[Self] =
        &[Self::Operator, Self::Control, Self::Webhook, Self::Proxy, Self::Testkit];
    /// What the cluster itself runs.
    pub(crate) const CLUSTER: &[Self] = &[Self::Pause, Self::Coredns];

    /// What a pod's `image:` says.
    pub(crate) fn image(self, workspace: &Workspace) -> String {
        let tag = if self.package().is_some() { workspace.version.as_str() } else { "local" };
        format!("serin.dev/{}:{tag}", self.name())
    }

    pub(super) fn archive(self, workspace: &Workspace) -> PathBuf {
        workspace.target.join("images").join(format!("{}.tar", self.name()))
    }

    /// The crate whose program it is.
    pub(super) fn package(self) -> Option<&'static str> {
        match self {
            Self::Operator => Some("operator"),
            Self::Control => Some("control"),
            Self::Webhook => Some("webhook"),
            Self::Proxy => Some("proxy"),
            Self::Testkit => Some("testkit"),
            Self::Pause | Self::Coredns | Self::Busybox | Self::Prometheus | Self::Mariadb => None,
        }
    }

    pub(super) fn needs_programs(self) -> bool {
        matches!(self, Self::Coredns)
    }

    pub(super) fn contents(
        self,
        workspace: &Workspace,
        programs: Option<&Programs>,
        profile: &str,
    ) -> Result<Contents> {
        match self {
            Self::Pause => pause(workspace),
            Self::Coredns => {
                let programs = programs.context("CoreDNS is built before its image")?;
                program(&programs.coredns.join("coredns"), None)
            }
            Self::Busybox => busybox(),
            Self::Prometheus => prometheus(workspace),
            Self::Mariadb => mariadb(workspace),
            Self::Operator | Self::Control | Self::Webhook | Self::Proxy | Self::Testkit => {
                let file = workspace.target.join(directory(profile)).join(self.name());
                let mut contents = program(&file, Some(NONROOT))?;
                if self == Self::Proxy {
                    contents.environment.extend(ALLOCATOR.map(str::to_owned));
                }
                Ok(contents)
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Operator => "serin-operator",
            Self::Control => "serin-control",
            Self::Webhook => "serin-webhook",
            Self::Proxy => "serin-proxy",
            Self::Testkit => "testkit",
            Self::Pause => "pause",
            Self::Coredns => "coredns",
            Self::Busybox => "busybox",
            Self::Prometheus => "prometheus",
            Self::Mariadb => "mariadb",
        }
    }
}

/// Builds crates of the workspace.
pub(super) fn build(workspace: &Workspace, packages: &[&str], profile: &str) -> Result<()> {
    step(&format!("build {} ({profile})", packages.join(", ")), || {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--quiet", "--profile", profile]).current_dir(&workspace.root);
        for package in packages {
            cargo.args(["--package", package]);
        }
        command::run(&mut cargo)
    })
}

/// How the proxy's allocator gives back what idle connections leave: soon, and page by page. Huge
/// pages would hold on to 2 MiB for whatever small is left in them.
const ALLOCATOR: [&str; 2] = ["MIMALLOC_PURGE_DELAY=10", "MIMALLOC_ALLOW_THP=0"];

/// An image of one program, which is its entry point.
fn program(file: &Path, user: Option<u32>) -> Result<Contents> {
    let name = file.file_name().context("a program has a name")?.to_string_lossy();
    let path = format!("/usr/local/bin/{name}");
    let mut contents = Contents::of(&path);
    contents.user = user;
    contents.environment.push("PATH=/usr/local/bin".to_owned());
    contents.copy(file, path)?;
    for library in closure::libraries(file, &[])? {
        contents.copy(&library, &library)?;
    }
    system_files(&mut contents)?;
    Ok(contents)
}

/// What programs expect of a system: users, name look-up, CA certificates, a place to write.
fn system_files(contents: &mut Contents) -> Result<()> {
    contents.text(
        "/etc/passwd",
        &format!(
            "root:x:0:0:root:/root:/sbin/nologin\n\
             serin-proxy:x:{PROXY}:{PROXY}::/:/sbin/nologin\n\
             nonroot:x:{NONROOT}:{NONROOT}::/:/sbin/nologin\n"
        ),
    );
    contents
        .text("/etc/group", &format!("root:x:0:\nserin-proxy:x:{PROXY}:\nnonroot:x:{NONROOT}:\n"));
    contents.text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
    contents.copy(Path::new(CERTIFICATES), CERTIFICATES)?;
    contents.folder("/tmp", 0o1777);
    Ok(())
}

fn pause(workspace: &Workspace) -> Result<Contents> {
    let source = workspace.root.join("xtask/kubernetes/pause/pause.rs");
    let built = workspace.target.join("images/pause");
    std::fs::create_dir_all(workspace.target.join("images"))?;
    command::quiet(
        Command::new("rustc")
            .args(["--edition", "2024", "-O", "-C", "panic=abort", "-C", "strip=symbols"])
            .args(["-C", "target-feature=+crt-static", "-o"])
            .arg(&built)
            .arg(source),
    )?;
    let mut contents = Contents::of("/pause");
    contents.user = Some(NONROOT);
    contents.copy(&built, "/pause")?;
    Ok(contents)
}

/// A shell and the usual tools, to look around with.
fn busybox() -> Result<Contents> {
    let file = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .map(Path::new)
        .find(|file| file.exists())
        .context("install the Debian package busybox-static")?;
    let mut contents = Contents::of("/bin/sh");
    contents.environment.push("PATH=/bin".to_owned());
    contents.copy(file, "/bin/busybox")?;
    for applet in command::read(Command::new(file).arg("--list"))?.lines() {
        if applet != "busybox" {
            contents.link(format!("/bin/{applet}"), "busybox");
        }
    }
    system_files(&mut contents)?;
    Ok(contents)
}

/// Debian's Prometheus, told everything by its arguments.
fn prometheus(workspace: &Workspace) -> Result<Contents> {
    let packages = Packages::unpack(workspace, &["prometheus"])?;
    let mut contents = Contents::of("/usr/bin/prometheus");
    contents.user = Some(NONROOT);
    packages.add_program("/usr/bin/prometheus", &mut contents)?;
    system_files(&mut contents)?;
    Ok(contents)
}

/// Debian's MariaDB, which speaks before its clients do. Anybody may log in, without a password.
fn mariadb(workspace: &Workspace) -> Result<Contents> {
    let packages = Packages::unpack(workspace, &["mariadb-server-core", "mariadb-client-core"])?;
    let mut contents = Contents::of("/usr/sbin/mariadbd");
    contents.entrypoint.extend(
        ["--no-defaults", "--skip-grant-tables", "--datadir=/tmp", "--socket=/tmp/mariadb.sock"]
            .map(str::to_owned),
    );
    contents.user = Some(NONROOT);
    packages.add_program("/usr/sbin/mariadbd", &mut contents)?;
    packages.add_program("/usr/bin/mariadb", &mut contents)?;
    packages.add_folder("/usr/share/mysql", &mut contents)?;
    system_files(&mut contents)?;
    Ok(contents)
}

/// Cargo's directory for a profile.
fn directory(profile: &str) -> &str {
    if profile == "dev" { "debug" } else { profile }
}

/// The user of everything but the proxy.
const NONROOT: u32 = 65532;
/// The user the injected proxy runs as, which redirection exempts.
const PROXY: u32 = 1337;
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
