//! curl, and what it makes of an answer.

use std::{
    fmt::{Display, Formatter},
    fs,
    net::SocketAddr,
    path::Path,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::programs;

/// The versions of HTTP that curl speaks without TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/1.1, asking to go on with HTTP/2.
    Upgrade,
    /// HTTP/2, with prior knowledge.
    Http2,
}

/// What curl got.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// curl's own verdict: zero if all went well.
    pub exit: i32,
    /// The status of each response, interim ones included.
    pub statuses: Vec<u16>,
    /// The version of the last response.
    pub version: String,
    /// Its fields, trailers included, in order of name. What belongs to a hop and what changes by
    /// the second is left out.
    pub fields: Vec<String>,
    /// Its body.
    pub body: Vec<u8>,
    /// How many connections it took.
    pub connections: u32,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Http10, Self::Http11, Self::Upgrade, Self::Http2];

    /// As curl is told.
    #[must_use]
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Http10 => "--http1.0",
            Self::Http11 => "--http1.1",
            Self::Upgrade => "--http2",
            Self::Http2 => "--http2-prior-knowledge",
        }
    }

    /// As tables say.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Upgrade => "1.1 (h2c)",
            Self::Http2 => "2",
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { exit, statuses, version, fields, body, connections } = self;
        write!(f, "exit {exit}, {statuses:?} HTTP/{version} on {connections}, {fields:?}, ")?;
        match body.len() {
            0..200 => write!(f, "{:?}", String::from_utf8_lossy(body)),
            length => write!(f, "{length} bytes"),
        }
    }
}

/// Asks whoever is at `server` for `path`, as if that were the service.
///
/// # Errors
/// If curl is not there, or says nothing.
pub fn ask(server: SocketAddr, version: Version, path: &str, more: &[String]) -> Result<Answer> {
    let folder = TempDir::new()?;
    let (heads, body) = (folder.path().join("heads"), folder.path().join("body"));
    let mut curl = programs::installed("curl")?;
    curl.args(["--silent", "--max-time", "10", version.flag(), "--noproxy", "*"])
        .args(["--connect-to", &format!("::{server}"), "--output"])
        .arg(&body)
        .arg("--dump-header")
        .arg(&heads)
        .args(["--write-out", "%{num_connects}\\n"])
        .args(more)
        .arg(format!("http://catalogue.shop{path}"));
    let output = curl.output().context("cannot start curl")?;
    let connections = String::from_utf8_lossy(&output.stdout);
    let connections = connections.lines().filter_map(|line| line.parse::<u32>().ok()).sum();
    let mut answer = read(&heads, &body);
    if more.iter().any(|flag| flag == "--head") {
        // It writes the head there.
        answer.body.clear();
    }
    answer.connections = connections;
    answer.exit = output.status.code().context("curl was killed")?;
    Ok(answer)
}

/// A file that curl did not write means that there was nothing to write.
fn read(heads: &Path, body: &Path) -> Answer {
    let heads = fs::read_to_string(heads).unwrap_or_default();
    let (mut statuses, mut version, mut fields) = (Vec::new(), String::new(), Vec::new());
    for line in heads.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("HTTP/").and_then(|line| line.split_once(' ')) {
            Some((number, rest)) => {
                let status = rest.split(' ').next().and_then(|status| status.parse::<u16>().ok());
                statuses.extend(status);
                version = number.to_owned();
                fields.clear();
            }
            None => fields.extend(field(line)),
        }
    }
    fields.sort();
    let body = fs::read(body).unwrap_or_default();
    Answer { exit: 0, statuses, version, fields, body, connections: 0 }
}

fn field(line: &str) -> Option<String> {
    let (name, value) = line.split_once(':')?;
    let name = name.to_ascii_lowercase();
    (!OF_A_HOP.contains(&&*name)).then(|| format!("{name}:{value}"))
}

const OF_A_HOP: [&str; 5] = ["connection", "keep-alive", "transfer-encoding", "upgrade", "date"];
