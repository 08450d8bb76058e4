//! `image`: our own small image writer. An image is a tar that `ctr`, `kind`, `k3d`, `docker` and
//! `skopeo` read, made of programs that are already built: no builder, no base image, no registry.

mod archive;
mod closure;
mod debian;
mod layer;
mod part;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::programs::Programs;
use crate::progress::step;
use crate::workspace::Workspace;

pub(crate) use archive::digest;
pub(crate) use part::Part;

/// Make container images of Serin's programs.
///
/// An image is one tar in target/images, written without Docker: the program, the loader and the
/// libraries it needs, CA certificates, and no shell. Making one again gives the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask image                     all of Serin's own: operator, control, webhook,
                                        proxy, testkit
  cargo xtask image proxy testkit       only these
  cargo xtask image --profile release   with link-time optimisation
  cargo xtask cluster load              make them and put them into the local cluster

Another cluster (--kubeconfig of `e2e` and `demo`) has to be given each image first:
  kind     kind load image-archive target/images/serin-proxy.tar --name NAME
  k3d      k3d image import target/images/serin-proxy.tar --cluster NAME
  docker   docker load --input target/images/serin-proxy.tar
  a registry of your own:
    skopeo copy docker-archive:target/images/serin-proxy.tar \\
      docker://HOST/serin-proxy:0.1.0
    and name HOST where config/install/30-operator.yaml says serin.dev: in `image`, and in
    SERIN_IMAGES, where the operator takes the other images from
The applications of demo and e2e are serin.dev/testkit:0.1.0 wherever they run. e2e also
wants the images prometheus and mariadb (cargo xtask image prometheus mariadb) and, for
its chapter on routes, the Gateway API's kinds in the cluster.")]
pub(crate) struct Args {
    /// What to make: operator, control, webhook, proxy, testkit; and for clusters pause,
    /// coredns, busybox, prometheus, mariadb. Without any: all of Serin's own.
    parts: Vec<Part>,
    /// The cargo profile to build with.
    #[arg(long, default_value = PROFILE)]
    profile: String,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let parts = if args.parts.is_empty() { Part::OURS.to_vec() } else { args.parts.clone() };
    for image in make(workspace, &parts, &args.profile)? {
        println!("  {}  {}", image.name, image.archive.display());
    }
    Ok(())
}

/// An image that lies ready as an archive.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// What a pod's `image:` says.
    pub(crate) name: String,
    pub(crate) archive: PathBuf,
}

/// Builds what the parts need, with one run of cargo, and writes their archives.
pub(crate) fn make(workspace: &Workspace, parts: &[Part], profile: &str) -> Result<Vec<Image>> {
    let packages: Vec<_> = parts.iter().filter_map(|part| part.package()).collect();
    if !packages.is_empty() {
        part::build(workspace, &packages, profile)?;
    }
    let programs = parts
        .iter()
        .any(|part| part.needs_programs())
        .then(|| Programs::ensure(workspace))
        .transpose()?;
    parts
        .iter()
        .map(|part| {
            let image = Image::of(*part, workspace);
            step(&format!("write {}", image.name), || {
                write(&image, &part.contents(workspace, programs.as_ref(), profile)?)
            })?;
            Ok(image)
        })
        .collect()
}

/// What the cluster itself runs; made again only by another build of this tool.
pub(crate) fn make_for_cluster(workspace: &Workspace) -> Result<Vec<Image>> {
    let tool = std::env::current_exe()?.metadata()?.modified()?;
    let is_current = |part: &Part| {
        let archive = part.archive(workspace).metadata().and_then(|archive| archive.modified());
        archive.is_ok_and(|made| made > tool)
    };
    let stale: Vec<_> = Part::CLUSTER.iter().copied().filter(|part| !is_current(part)).collect();
    make(workspace, &stale, PROFILE)?;
    Ok(Part::CLUSTER.iter().map(|part| Image::of(*part, workspace)).collect())
}

impl Image {
    fn of(part: Part, workspace: &Workspace) -> Self {
        Self { name: part.image(workspace), archive: part.archive(workspace) }
    }

    /// An archive that somebody else made in the same form.
    pub(crate) fn read(archive: &Path) -> Result<Self> {
        Ok(Self { name: archive::name(archive)?, archive: archive.to_owned() })
    }
}

/// Writes the archive beside its place first, so that nobody reads half of one.
fn write(image: &Image, contents: &layer::Contents) -> Result<()> {
    let folder = image.archive.parent().context("an archive lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let bytes = archive::write(&image.name, contents)?;
    let unfinished = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(unfinished.path(), bytes)?;
    fs::set_permissions(unfinished.path(), fs::Permissions::from_mode(0o644))?;
    unfinished.persist(&image.archive)?;
    Ok(())
}

/// What holds a pod's namespaces.
pub(crate) const PAUSE: &str = "serin.dev/pause:local";
/// Optimised, without the wait for link-time optimisation.
pub(crate) const PROFILE: &str = "quick";
