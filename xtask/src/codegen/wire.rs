//! The discovery protocol's messages and services, compiled from protobuf without protoc.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command;

/// One Rust file per protobuf package, by file name.
pub(super) fn files(root: &Path) -> Result<BTreeMap<String, String>> {
    let protos = root.join("wire/proto");
    let sources = sources(&protos)?;
    if sources.is_empty() {
        return Ok(BTreeMap::new());
    }
    let out = tempfile::tempdir().context("cannot make a temporary directory")?;
    let descriptors = protox::compile(&sources, [&protos]).context("failed to compile protobuf")?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .build_transport(false)
        .bytes(".")
        // By far the largest of the resources.
        .boxed("serin.discovery.v1.Resource.resource.workload")
        .emit_rerun_if_changed(false)
        .out_dir(out.path())
        .compile_fds(descriptors)
        .context("failed to generate Rust from protobuf")?;
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(out.path())? {
        let path = entry?.path();
        let name = path.file_name().context("a generated file has a name")?;
        let name = name.to_string_lossy().into_owned();
        files.insert(name, finish(&path, root)?);
    }
    Ok(files)
}

fn sources(protos: &Path) -> Result<Vec<PathBuf>> {
    if !protos.exists() {
        return Ok(Vec::new());
    }
    let mut sources = Vec::new();
    for entry in fs::read_dir(protos)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

/// Puts the header in front and lets rustfmt lay out the rest.
fn finish(path: &Path, root: &Path) -> Result<String> {
    let generated = fs::read_to_string(path)?;
    fs::write(path, format!("{HEADER}{generated}"))?;
    command::quiet(Command::new("rustfmt").arg("--config-path").arg(root).arg(path))?;
    Ok(fs::read_to_string(path)?)
}

const HEADER: &str =
    "//! Generated from wire/proto by `cargo xtask codegen`: edit that instead.\n\n";
