//! Puts images on the nodes. An image whose digest a node already holds is not sent again.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::node::ctr;
use super::plan::{Node, Plan};
use crate::command;
use crate::image::{self, Image, Part};
use crate::parallel::{self, Work};
use crate::progress::step;
use crate::workspace::Workspace;

/// Builds the parts and puts them, and the archives, on every node.
pub(super) fn build_and_load(
    workspace: &Workspace,
    plan: &Plan,
    parts: &[Part],
    profile: &str,
    archives: &[PathBuf],
) -> Result<()> {
    let mut images = image::make(workspace, parts, profile)?;
    for archive in archives {
        images.push(Image::read(archive)?);
    }
    step(&format!("load {} images on {} nodes", images.len(), plan.nodes.len()), || {
        let images = &images;
        let each = |node| -> Work<'_> { Box::new(move || load(node, images)) };
        parallel::all(plan.nodes.iter().map(each).collect())
    })
}

/// Puts on one node what it does not hold yet.
pub(super) fn load(node: &Node, images: &[Image]) -> Result<()> {
    let listing = command::read(ctr(node).args(["images", "list"]))?;
    for image in images {
        let digest = image::digest(&image.archive)?;
        if !holds(&listing, &image.name, &digest) {
            command::quiet(ctr(node).args(["images", "import"]).arg(&image.archive))
                .with_context(|| format!("cannot put {} on {}", image.name, node.name))?;
        }
    }
    Ok(())
}

/// Lines of `ctr images list` are `NAME TYPE DIGEST …`.
fn holds(listing: &str, name: &str, digest: &str) -> bool {
    listing.lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(name) && fields.nth(1) == Some(digest)
    })
}

#[cfg(test)]
mod tests {
    use super::holds;

    const LISTING: &str = "REF TYPE DIGEST SIZE PLATFORMS LABELS\n\
        serin.dev/pause:local application/vnd.oci.image.manifest.v1+json sha256:ab 1 MiB linux -\n";

    #[test]
    fn an_image_is_there_only_with_its_name_and_its_digest() {
        assert!(holds(LISTING, "serin.dev/pause:local", "sha256:ab"));
        assert!(!holds(LISTING, "serin.dev/pause:local", "sha256:cd"));
        assert!(!holds(LISTING, "serin.dev/coredns:local", "sha256:ab"));
    }
}
