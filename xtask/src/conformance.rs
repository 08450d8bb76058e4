//! `conformance`: the proxy against tools and servers that others wrote.
//!
//! The tests are those of the crate `conformance`. Here the programs are brought that they need,
//! which are nothing of ours.

use std::process::Command;

use anyhow::{Result, bail};

use crate::artifact;
use crate::cluster::packages::{self, Package};
use crate::programs::{self, Module};
use crate::progress::step;
use crate::tally::{self, Tally};
use crate::workspace::Workspace;

/// Run the proxy against tools and servers that others wrote.
///
/// h2spec in both directions, gRPC's interop client and server, curl with all its versions of HTTP
/// in front of nginx, Apache httpd and Python's http.server, and load by wrk, h2load and fortio:
/// through a proxy, or a pair with mutual TLS between them. Results are printed as tables.
///
/// What is written in Go is built from its modules the first time, in about a minute; packages of
/// the distribution are installed if this runs as root on Debian or Ubuntu, and named otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask conformance           all of it
  cargo xtask conformance h2spec    what h2spec says
  cargo xtask conformance curl      the table of curl, versions and servers
  cargo xtask conformance interop   gRPC's cases")]
pub(crate) struct Args {
    /// Only the tests whose names hold one of these.
    filters: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let tally = count(workspace, &args.filters)?;
    println!("{tally}");
    if tally.failed > 0 { bail!("{} tests failed", tally.failed) } else { Ok(()) }
}

/// Runs the tests and counts them.
pub(crate) fn count(workspace: &Workspace, filters: &[String]) -> Result<Tally> {
    packages::ensure_these(PACKAGES)?;
    let mut folders = Vec::new();
    for (variable, module) in MODULES {
        folders.push((*variable, programs::build(workspace, module)?));
    }
    let program = step("build the conformance tests", || {
        artifact::named(&artifact::build(workspace, TESTS, &[])?, TESTS)
    })?;
    // One after the other: some of them are load.
    let mut tests = Command::new(program);
    tests.args(["--show-output", "--test-threads=1"]).args(filters);
    tally::run(tests.envs(folders))
}

const TESTS: &str = "foreign";

/// What is built, and the variable that tells the tests where it lies.
const MODULES: &[(&str, Module)] = &[
    (
        "SERIN_CONFORMANCE_H2SPEC",
        Module {
            group: "conformance",
            name: "h2spec",
            path: "github.com/summerwind/h2spec",
            programs: &["/cmd/h2spec", "/cmd/h2specd"],
            binary: None,
        },
    ),
    (
        "SERIN_CONFORMANCE_GRPC",
        Module {
            group: "conformance",
            name: "grpc",
            path: "google.golang.org/grpc",
            programs: &["/interop/client", "/interop/server"],
            binary: None,
        },
    ),
    (
        "SERIN_CONFORMANCE_FORTIO",
        Module {
            group: "conformance",
            name: "fortio",
            path: "fortio.org/fortio",
            programs: &[""],
            binary: Some("fortio"),
        },
    ),
];

/// What comes from the distribution.
const PACKAGES: &[Package] = &[
    ("curl", &["/usr/bin/curl"]),
    ("nginx", &["/usr/sbin/nginx"]),
    ("apache2-bin", &["/usr/sbin/apache2"]),
    ("python3", &["/usr/bin/python3", "/usr/local/bin/python3"]),
    ("wrk", &["/usr/bin/wrk"]),
    ("nghttp2-client", &["/usr/bin/h2load"]),
];
