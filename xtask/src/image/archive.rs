//! The archive of one image: an OCI layout that is also a docker-archive, as `docker save` writes
//! since version 25. containerd reads the former and so keeps the digest that is computed here.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::layer::{self, Contents};

/// The whole archive, in memory: images are tens of megabytes.
pub(super) fn write(name: &str, contents: &Contents) -> Result<Vec<u8>> {
    let layer = Blob::new(contents.tar()?);
    let config = Blob::json(&config(contents, &layer))?;
    let manifest = Blob::json(&manifest(&config, &layer))?;
    let index = serde_json::to_vec(&index(name, &manifest))?;
    let docker = serde_json::to_vec(&docker_manifest(name, &config, &layer))?;

    let mut tar = tar::Builder::new(Vec::with_capacity(layer.bytes.len() + ROOM));
    append(&mut tar, INDEX, &index)?;
    append(&mut tar, "manifest.json", &docker)?;
    append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    for blob in [&config, &layer, &manifest] {
        append(&mut tar, &blob.path(), &blob.bytes)?;
    }
    Ok(tar.into_inner()?)
}

/// The digest under which containerd will know the image in an archive.
pub(crate) fn digest(archive: &Path) -> Result<String> {
    from_index(archive, "/manifests/0/digest")
}

/// The name of the image in an archive.
pub(super) fn name(archive: &Path) -> Result<String> {
    from_index(archive, "/manifests/0/annotations/io.containerd.image.name")
}

fn from_index(archive: &Path, pointer: &str) -> Result<String> {
    let file = File::open(archive).with_context(|| format!("cannot open {}", archive.display()))?;
    let mut archive = tar::Archive::new(file);
    let mut first = archive.entries()?.next().context("the archive is empty")??;
    let mut text = String::new();
    first.read_to_string(&mut text)?;
    let index: Value = serde_json::from_str(&text).context("the archive has no index in front")?;
    let value = index.pointer(pointer).and_then(Value::as_str);
    Ok(value.with_context(|| format!("the archive's index has no {pointer}"))?.to_owned())
}

/// Some bytes, found by their digest.
struct Blob {
    bytes: Vec<u8>,
    hash: String,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let hash = hex::encode(Sha256::digest(&bytes));
        Self { bytes, hash }
    }

    fn json(value: &Value) -> Result<Self> {
        Ok(Self::new(serde_json::to_vec(value)?))
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.hash)
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.hash)
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest(), "size": self.bytes.len() })
    }
}

/// OCI image-spec, config.md.
fn config(contents: &Contents, layer: &Blob) -> Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": contents.entrypoint,
            "Env": contents.environment,
            "User": contents.user.map(|id| format!("{id}:{id}")).unwrap_or_default(),
            "WorkingDir": "/",
        },
        "rootfs": { "type": "layers", "diff_ids": [layer.digest()] },
    })
}

fn manifest(config: &Blob, layer: &Blob) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor("application/vnd.oci.image.config.v1+json"),
        "layers": [layer.descriptor("application/vnd.oci.image.layer.v1.tar")],
    })
}

fn index(name: &str, manifest: &Blob) -> Value {
    let mut descriptor = manifest.descriptor(MANIFEST);
    let tag = name.rsplit_once(':').map_or(name, |(_, tag)| tag);
    if let Some(descriptor) = descriptor.as_object_mut() {
        let annotations = json!({
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": tag,
        });
        descriptor.insert("annotations".to_owned(), annotations);
    }
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor],
    })
}

fn docker_manifest(name: &str, config: &Blob, layer: &Blob) -> Value {
    json!([{ "Config": config.path(), "RepoTags": [name], "Layers": [layer.path()] }])
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> Result<()> {
    let mut header = layer::header(tar::EntryType::Regular, 0o644, bytes.len());
    Ok(tar.append_data(&mut header, path, bytes)?)
}

/// The entry that is read again, therefore the first.
const INDEX: &str = "index.json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// For what is in an archive beside the layer.
const ROOM: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn example() -> Contents {
        let mut contents = Contents::of("/bin/a");
        contents.text("/bin/a", "a program");
        contents.link("/bin/b", "a");
        contents.folder("/tmp", 0o1777);
        contents
    }

    fn names(archive: &[u8]) -> BTreeSet<String> {
        let mut archive = tar::Archive::new(archive);
        archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn the_same_contents_give_the_same_bytes() {
        assert_eq!(write("a:1", &example()).unwrap(), write("a:1", &example()).unwrap());
    }

    #[test]
    fn the_archive_can_be_asked_for_its_name_and_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let archive = write("serin.dev/a:1", &example()).unwrap();
        std::fs::write(file.path(), &archive).unwrap();
        assert_eq!(name(file.path()).unwrap(), "serin.dev/a:1");
        let digest = digest(file.path()).unwrap().replace("sha256:", "blobs/sha256/");
        assert!(names(&archive).contains(&digest));
    }

    #[test]
    fn docker_and_oci_both_find_what_they_read_first() {
        let names = names(&write("a:1", &example()).unwrap());
        for name in ["index.json", "oci-layout", "manifest.json"] {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn a_layer_holds_every_folder_before_what_is_in_it() {
        let layer = example().tar().unwrap();
        let mut archive = tar::Archive::new(layer.as_slice());
        let paths: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(paths, ["bin", "bin/a", "bin/b", "tmp"]);
    }
}
