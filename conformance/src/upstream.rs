//! Servers that others wrote, each with the same files and the same few paths:
//!
//! | path | does |
//! |---|---|
//! | `/small`, `/large` | files, of which ranges can be had |
//! | `/trailer` | ends with a trailer, where a server can |
//! | `/digest` | takes a body and, where a server can, says what it was |
//! | `/put/…` | takes a file, where a server can |

use std::{
    fs::{self, File},
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{address, child::Server, programs};

/// A server, and the files it serves.
#[derive(Debug)]
pub struct Upstream {
    /// What it is called in tables.
    pub name: &'static str,
    /// Where HTTP/1 is spoken.
    pub http1: SocketAddr,
    /// Where HTTP/2 is spoken without TLS, if anywhere.
    pub http2: Option<SocketAddr>,
    /// Its folder, files in `files`, what was put in `put`.
    pub folder: TempDir,
    _server: Server,
}

/// How long `/large` is.
pub const LARGE: usize = 4 << 20;

impl Upstream {
    /// nginx, which speaks either version on a port of its own.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn nginx() -> Result<Self> {
        let (folder, http1) = (folder()?, address::own(8080));
        let http2 = SocketAddr::new(http1.ip(), 8081);
        let configuration =
            write(&folder, "nginx.conf", include_str!("upstream/nginx.conf"), http1)?;
        let mut command = programs::installed("nginx")?;
        command.arg("-e").arg("stderr").arg("-p").arg(folder.path()).arg("-c").arg(configuration);
        let server = Server::start(&mut command, http1)?;
        Ok(Self { name: "nginx", http1, http2: Some(http2), folder, _server: server })
    }

    /// Apache httpd, which speaks both versions on one port.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn apache() -> Result<Self> {
        let (folder, http1) = (folder()?, address::own(8080));
        let digest = folder.path().join("digest.cgi");
        fs::write(&digest, include_str!("upstream/digest.cgi"))?;
        fs::set_permissions(&digest, fs::Permissions::from_mode(0o755))?;
        let configuration =
            write(&folder, "apache.conf", include_str!("upstream/apache.conf"), http1)?;
        let mut command = programs::installed("apache2")?;
        command.arg("-D").arg("FOREGROUND").arg("-f").arg(configuration);
        let server = Server::start(&mut command, http1)?;
        Ok(Self { name: "Apache", http1, http2: Some(http1), folder, _server: server })
    }

    /// Python's own, which speaks HTTP/1.0 and knows two methods.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn python() -> Result<Self> {
        let (folder, http1) = (folder()?, address::own(8080));
        let mut command = Command::new("python3");
        command.args(["-m", "http.server", "--bind", &http1.ip().to_string(), "--directory"]);
        command.arg(folder.path().join("files")).arg(http1.port().to_string());
        let server = Server::start(&mut command, http1)?;
        Ok(Self { name: "Python", http1, http2: None, folder, _server: server })
    }
}

/// What every server serves. Readable by all: servers that root starts do not stay root.
fn folder() -> Result<TempDir> {
    let folder = TempDir::new().context("no temporary folder")?;
    open(folder.path(), 0o755)?;
    for name in ["files", "put", "logs"] {
        let path = folder.path().join(name);
        fs::create_dir(&path)?;
        open(&path, 0o777)?;
    }
    let large: Vec<u8> = (0_u8..=250).cycle().take(LARGE).collect();
    let files = folder.path().join("files");
    file(&files.join("small"), b"what a small file holds\n")?;
    file(&files.join("trailer"), b"what ends with a trailer\n")?;
    file(&files.join("large"), &large)?;
    Ok(folder)
}

/// A file that has not changed for long: Apache trusts no younger one.
fn file(path: &Path, text: &[u8]) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text)?;
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000))?;
    Ok(())
}

fn open(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).context("cannot open a folder")
}

/// Writes a configuration with the folder and the address in it.
fn write(folder: &TempDir, name: &str, text: &str, address: SocketAddr) -> Result<PathBuf> {
    let place = folder.path().to_str().context("the temporary folder has no name in UTF-8")?;
    let text = text.replace("@FOLDER@", place).replace("@HOST@", &address.ip().to_string());
    let path = folder.path().join(name);
    fs::write(&path, text)?;
    Ok(path)
}
