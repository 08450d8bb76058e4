//! Which cluster is meant, and what an earlier run has left of it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};

use super::plan::{MAX_NODES, Name, Plan};
use super::{packages, remove, up};
use crate::workspace::Workspace;

/// Which cluster is meant.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Which {
    /// The cluster's name: its nodes, namespaces and addresses follow from it.
    #[arg(long, env = "SERIN_CLUSTER", default_value = "serin", global = true)]
    name: Name,
    /// Where clusters keep what they write.
    #[arg(long, env = "SERIN_STATE", default_value = "/var/lib/serin", global = true)]
    state: PathBuf,
}

impl Which {
    /// The one that the environment names, or the usual one.
    pub(crate) fn usual() -> Result<Self> {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            which: Which,
        }
        Ok(<Alone as clap::Parser>::try_parse_from(["cluster"])?.which)
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let name = name.parse().map_err(|says: String| anyhow!(says))?;
        Ok(Self { name, ..Self::usual()? })
    }

    /// Brings it up, or repairs it.
    pub(crate) fn bring_up(
        &self,
        workspace: &Workspace,
        nodes: Option<u8>,
        gateway_api: bool,
    ) -> Result<Plan> {
        packages::ensure()?;
        let _lock = self.lock()?;
        let held = self.nodes_held()?;
        if let (Some(held), Some(wanted)) = (held, nodes)
            && wanted < held
        {
            bail!("cluster {} has {held} nodes; remove it first to have fewer", self.name);
        }
        let plan = self.plan(nodes.or(held).unwrap_or(DEFAULT_NODES))?;
        if remove::is_from_another_boot(&plan)? {
            remove::run(&self.whole()?)?;
        }
        up::run(workspace, &plan, gateway_api)?;
        Ok(plan)
    }

    /// Removes whatever there is of it.
    pub(crate) fn remove(&self) -> Result<()> {
        let _lock = self.lock()?;
        remove::run(&self.whole()?)?;
        fs::remove_file(self.lock_path()).context("cannot delete the cluster's lock")?;
        // Other clusters may have theirs in there.
        drop(fs::remove_dir(&self.state));
        Ok(())
    }

    /// The plan of the cluster that is up.
    pub(crate) fn running(&self) -> Result<Plan> {
        let nodes = self.nodes_held()?.with_context(|| {
            format!("there is no cluster {}: `cargo xtask cluster up`", self.name)
        })?;
        self.plan(nodes)
    }

    fn plan(&self, nodes: u8) -> Result<Plan> {
        Plan::new(&self.state, &self.name, nodes)
    }

    /// A plan that covers whatever an earlier run may have left.
    fn whole(&self) -> Result<Plan> {
        self.plan(MAX_NODES)
    }

    /// How many nodes an earlier run made.
    fn nodes_held(&self) -> Result<Option<u8>> {
        let dir = self.plan(1)?.dir;
        Ok((1..=MAX_NODES).rev().find(|number| dir.join(number.to_string()).exists()))
    }

    /// Held while the cluster changes, so that two runs do not mix.
    fn lock(&self) -> Result<File> {
        let path = self.lock_path();
        loop {
            fs::create_dir_all(&self.state)
                .with_context(|| format!("cannot create {}", self.state.display()))?;
            let file =
                File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
            file.lock().context("cannot lock the cluster")?;
            // Whoever held it may have deleted it with the cluster.
            let held = file.metadata()?.ino();
            if fs::metadata(&path).is_ok_and(|there| there.ino() == held) {
                return Ok(file);
            }
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.state.join(format!(".{}.lock", self.name))
    }
}

const DEFAULT_NODES: u8 = 2;
