//! Keeps the authority's Secrets as they should be: looks, decides, writes.

use std::{collections::BTreeMap, time::Duration};

use api::{mesh::CaStatus, mesh::MeshInstallation, names};
use cluster::apply::Applier;
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{OwnerReference, Time},
};
use kube::Resource as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Trouble, View,
    issue::{Hold, Issue, Which, decision_of},
    mint::{self, Validity},
    vault::{Data, Root, Vault},
};
use crate::{
    fleet::Fleets,
    mesh::meta,
    session::Shared,
    world::{SecretFacts, World},
};

/// Keeps the authority until `stop` fires.
pub(crate) async fn keep(
    shared: Shared,
    _fleets: Fleets,
    views: watch::Sender<View>,
    stop: CancellationToken,
) {
    let keeper = Keeper {
        applier: Applier::new(shared.client(), "serin-ca"),
        shared,
        views,
        had: None,
        written: BTreeMap::new(),
    };
    stop.run_until_cancelled(keeper.run()).await;
}

struct Keeper {
    shared: Shared,
    applier: Applier,
    views: watch::Sender<View>,
    /// The root that was there, in this session or by the mesh's status: from then on none is made.
    had: Option<String>,
    /// What this session wrote, until the watch shows it.
    written: BTreeMap<&'static str, Data>,
}

/// What there is of the Secret with the roots.
#[derive(Debug, PartialEq)]
enum Found {
    /// A vault.
    Vault(Box<Vault>),
    /// None, and there never was one.
    Never,
    /// One that cannot be used, or should be there and is not.
    Trouble(Trouble),
}

impl Keeper {
    async fn run(mut self) {
        let mut worlds = self.shared.worlds.clone();
        loop {
            let turn = self.turn().await;
            let failed = turn.is_err();
            if let Err(trouble) = turn {
                if self.views.borrow().trouble.as_ref() != Some(&trouble) {
                    warn!(%trouble, "authority");
                }
                self.views.send_modify(|view| view.trouble = Some(trouble));
            }
            let pause = if failed { AFTER_TROUBLE } else { BREATH };
            tokio::time::sleep(pause).await;
            if !failed && worlds.changed().await.is_err() {
                return;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Trouble> {
        let Some(seen) = self.look() else { return Ok(()) };
        let Seen { mesh, owner, root, issued } = seen;
        let vault = match find(root.as_ref(), self.shared.uid(), self.had.as_deref()) {
            Found::Vault(vault) => *vault,
            Found::Never => self.make(&mesh, &owner).await?,
            Found::Trouble(trouble) => return Err(trouble),
        };
        let known = Root::of(&vault.active)?;
        self.had = Some(known.fingerprint().short());
        if root.as_ref().is_some_and(|facts| facts.owner.is_none()) {
            self.write(&owner, names::CA_ROOT_SECRET, vault.write()).await?;
        }
        let hold = self.hold(issued.as_ref());
        let issue = vault.issue(&hold)?;
        let same = |facts: &SecretFacts| {
            facts.data == issue.secret && facts.owner.as_deref() == Some(self.shared.uid())
        };
        if !issued.as_ref().is_some_and(same) {
            self.write(&owner, names::CA_SECRET, issue.secret.clone()).await?;
        }
        self.publish(issue, &known, &hold);
        Ok(())
    }

    /// Nothing if the mesh is gone.
    fn look(&mut self) -> Option<Seen> {
        let world = self.shared.worlds.borrow();
        let mesh = self.shared.mesh(&world)?.clone();
        let status = mesh.status.as_ref().and_then(|status| status.ca.as_ref());
        let recorded = status.and_then(|ca| ca.active_root.clone());
        if self.had.is_none() {
            self.had = recorded;
        }
        let owner = mesh.owner_ref(&())?;
        let root = self.newest(&world, names::CA_ROOT_SECRET);
        let issued = self.newest(&world, names::CA_SECRET);
        drop(world);
        Some(Seen {
            mesh,
            owner,
            root: self.confirm(names::CA_ROOT_SECRET, root),
            issued: self.confirm(names::CA_SECRET, issued),
        })
    }

    fn newest(&self, world: &World, name: &str) -> Option<SecretFacts> {
        world.secret(&self.shared.operator.namespace, name).cloned()
    }

    /// What the watch shows, or what was written and it does not show yet.
    fn confirm(&mut self, name: &'static str, shown: Option<SecretFacts>) -> Option<SecretFacts> {
        let Some(written) = self.written.get(name) else { return shown };
        if shown.as_ref().is_some_and(|facts| facts.data == *written) {
            self.written.remove(name);
            return shown;
        }
        let owner = Some(self.shared.uid().to_owned());
        Some(SecretFacts { owner, data: written.clone() })
    }

    async fn make(
        &mut self,
        mesh: &MeshInstallation,
        owner: &OwnerReference,
    ) -> Result<Vault, Trouble> {
        let domain = mesh.spec.trust_domain.0.parse();
        let domain = domain.map_err(|e: model::identity::Error| Trouble::Mint(e.to_string()))?;
        let lifetime = mesh.spec.ca.root_lifetime.0;
        let validity = Validity { now: self.shared.clock.now(), lifetime };
        let active = mint::authority(&domain, validity);
        let active = active.map_err(|error| Trouble::Mint(error.to_string()))?;
        let vault = Vault { active, next: None };
        self.write(owner, names::CA_ROOT_SECRET, vault.write()).await?;
        info!("root made");
        Ok(vault)
    }

    fn hold(&self, issued: Option<&SecretFacts>) -> Hold {
        let held = issued.and_then(|facts| decision_of(&facts.data));
        // Numbers rise over the lives of meshes: pods of a former one may still hold its last.
        let decision = held.unwrap_or_else(|| self.shared.clock.unix_millis());
        let trusted = vec![Which::Active];
        Hold { signing: Which::Active, serving: Which::Active, trusted, decision }
    }

    async fn write(
        &mut self,
        owner: &OwnerReference,
        name: &'static str,
        data: Data,
    ) -> Result<(), Trouble> {
        let metadata = meta(owner, name, Some(&self.shared.operator.namespace));
        let data_kept = data.clone();
        let type_ = Some("Opaque".to_owned());
        let secret = Secret { metadata, data: Some(data), type_, ..Secret::default() };
        let applied = self.applier.apply(&secret).await;
        applied.map_err(|error| Trouble::Write(error.to_string()))?;
        self.written.insert(name, data_kept);
        info!(name, "secret written");
        Ok(())
    }

    fn publish(&self, issue: Issue, root: &Root, hold: &Hold) {
        let status = CaStatus {
            phase: "Idle".to_owned(),
            active_root: Some(root.fingerprint().short()),
            root_expires_at: Timestamp::from_second(root.expires).ok().map(Time),
            decision: i64::try_from(hold.decision).ok(),
            ..CaStatus::default()
        };
        let view = View { issue: Some(issue), trouble: None, status: Some(status) };
        self.views.send_if_modified(|held| {
            let changed = *held != view;
            *held = view;
            changed
        });
    }
}

/// What a turn is decided by.
struct Seen {
    mesh: MeshInstallation,
    owner: OwnerReference,
    root: Option<SecretFacts>,
    issued: Option<SecretFacts>,
}

fn find(secret: Option<&SecretFacts>, mesh: &str, had: Option<&str>) -> Found {
    match (secret, had) {
        (None, None) => Found::Never,
        (None, Some(root)) => Found::Trouble(Trouble::Lost { root: root.to_owned() }),
        (Some(SecretFacts { owner: Some(owner), .. }), _) if owner != mesh => {
            Found::Trouble(Trouble::Former)
        }
        (Some(facts), _) => match Vault::read(&facts.data) {
            Ok(vault) => Found::Vault(Box::new(vault)),
            Err(broken) => Found::Trouble(Trouble::Broken(broken)),
        },
    }
}

const BREATH: Duration = Duration::from_millis(100);
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
