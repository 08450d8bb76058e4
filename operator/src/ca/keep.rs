//! Keeps the authority's Secrets as they should be: looks, asks the machine, writes.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use api::{
    mesh::{MeshInstallation, MeshInstallationSpec},
    names,
};
use cluster::{apply::Applier, events::Happening};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::Resource as _;
use model::{
    acks::Census,
    moment::Moment,
    rotation::{self, Drain, Hold, Phase, Rotation},
    trust::Fingerprint,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Trouble, View,
    issue::Issue,
    mint::{self, Authority, Validity},
    observe::{Sight, plan},
    status,
    vault::{Data, Root, Vault},
};
use crate::{
    fleet::{Fleets, Passport, replicas, serving_issuer},
    mesh::{meta, valid::root},
    session::Shared,
    world::{SecretFacts, World, Worlds},
};

/// What the task that keeps the authority works with.
pub(crate) struct Inputs {
    pub(crate) shared: Shared,
    pub(crate) fleets: Fleets,
    pub(crate) passports: watch::Receiver<Option<Arc<Passport>>>,
    pub(crate) views: watch::Sender<View>,
}

/// Keeps the authority until `stop` fires.
pub(crate) async fn keep(inputs: Inputs, stop: CancellationToken) {
    let keeper = Keeper {
        applier: Applier::new(inputs.shared.client(), "serin-ca"),
        inputs,
        had: None,
        written: BTreeMap::new(),
        issue: None,
        control: None,
        phase: Phase::Idle,
    };
    stop.run_until_cancelled(Box::pin(keeper.run())).await;
}

struct Keeper {
    inputs: Inputs,
    applier: Applier,
    /// The root that was there, in this session or by the mesh's status: from then on none is made.
    had: Option<String>,
    /// What this session wrote, until the watch shows it.
    written: BTreeMap<&'static str, Data>,
    /// What was asked for last.
    issue: Option<Issue>,
    /// What control replicas serve with, while that is asked.
    control: Option<Census<Option<Fingerprint>>>,
    /// Where the rotation stands.
    phase: Phase,
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

/// What is known of the Secrets when a turn begins.
struct Held {
    mesh: MeshInstallation,
    owner: OwnerReference,
    root: Option<SecretFacts>,
    issued: Option<SecretFacts>,
}

/// What a turn made.
struct Turned {
    /// Whether something happened, so that another turn is due at once.
    again: bool,
    /// Whether a rotation is under way.
    busy: bool,
}

impl Keeper {
    #[expect(clippy::infinite_loop, reason = "ends when its future is dropped")]
    async fn run(mut self) {
        let (mut worlds, mut fleets) =
            (self.inputs.shared.worlds.clone(), self.inputs.fleets.clone());
        loop {
            worlds.mark_unchanged();
            let turned = self.turn().await;
            let pause = match turned {
                Ok(Turned { again: true, .. }) => BREATH,
                Ok(Turned { busy: true, .. }) => {
                    self.ask_control().await;
                    wait(&mut worlds, Some(&mut fleets), TICK).await;
                    BREATH
                }
                Ok(Turned { .. }) => {
                    wait(&mut worlds, None, LOOK).await;
                    BREATH
                }
                Err(trouble) => {
                    self.report(trouble);
                    AFTER_TROUBLE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn report(&self, trouble: Trouble) {
        let views = &self.inputs.views;
        if views.borrow().trouble.as_ref() != Some(&trouble) {
            warn!(%trouble, "authority");
            views.send_modify(|view| view.trouble = Some(trouble));
        }
    }

    async fn turn(&mut self) -> Result<Turned, Trouble> {
        let Some(held) = self.look() else { return Ok(Turned { again: false, busy: false }) };
        let vault = match find(held.root.as_ref(), self.uid(), self.had.as_deref()) {
            Found::Vault(vault) => *vault,
            Found::Never => self.begin(&held.mesh)?,
            Found::Trouble(trouble) => return Err(trouble),
        };
        let (next, hold) = self.decide(&held.mesh, &vault)?;
        let (next, unmade) = keys(next, hold.vault, || self.mint(&held.mesh));
        let issue = next.issue(&hold)?;
        self.hold(&held, &next, &issue).await?;
        self.had = Some(Root::of(&next.active)?.fingerprint().short());
        self.issue = Some(issue.clone());
        self.phase = next.rotation.phase;
        let turned = Turned {
            again: hold.transition.is_some() || next != vault,
            busy: next.rotation.phase != Phase::Idle,
        };
        if let Some(trouble) = unmade.clone() {
            self.report(trouble);
        }
        self.tell(&next, hold, issue, unmade).await?;
        Ok(turned)
    }

    /// Nothing if the mesh is gone.
    fn look(&mut self) -> Option<Held> {
        let world = self.inputs.shared.worlds.borrow();
        let mesh = self.inputs.shared.mesh(&world)?.clone();
        let status = mesh.status.as_ref().and_then(|status| status.ca.as_ref());
        if self.had.is_none() {
            self.had = status.and_then(|ca| ca.active_root.clone());
        }
        let owner = mesh.owner_ref(&())?;
        let shown =
            |name: &str| world.secret(&self.inputs.shared.operator.namespace, name).cloned();
        let (root, issued) = (shown(names::CA_ROOT_SECRET), shown(names::CA_SECRET));
        drop(world);
        let root = self.confirm(names::CA_ROOT_SECRET, root);
        let issued = self.confirm(names::CA_SECRET, issued);
        Some(Held { mesh, owner, root, issued })
    }

    /// What the watch shows, or what was written and it does not show yet.
    fn confirm(&mut self, name: &'static str, shown: Option<SecretFacts>) -> Option<SecretFacts> {
        let Some(written) = self.written.get(name) else { return shown };
        if shown.as_ref().is_some_and(|facts| facts.data == *written) {
            self.written.remove(name);
            return shown;
        }
        let owner = Some(self.uid().to_owned());
        Some(SecretFacts { owner, data: written.clone() })
    }

    /// The first vault of a mesh that never had one.
    fn begin(&self, mesh: &MeshInstallation) -> Result<Vault, Trouble> {
        info!("making the first root");
        let active = self.mint(mesh)?;
        Ok(Vault { active, next: None, rotation: Rotation::default() })
    }

    fn mint(&self, mesh: &MeshInstallation) -> Result<Authority, Trouble> {
        mint_for(&mesh.spec, self.inputs.shared.clock.now())
    }

    fn decide(&self, mesh: &MeshInstallation, vault: &Vault) -> Result<(Vault, Hold), Trouble> {
        let shared = &self.inputs.shared;
        let (world, fleet) = (shared.worlds.borrow(), self.inputs.fleets.borrow());
        let passport = self.inputs.passports.borrow();
        let sight = Sight {
            world: &world,
            fleet: &fleet,
            mesh,
            own: &shared.operator.namespace,
            operator: passport.as_ref().map(|passport| passport.held).unwrap_or_default(),
            control: self.control.as_ref(),
            now: Moment::from_millis(shared.clock.unix_millis()),
            instant: Instant::now(),
        };
        let seen = sight.seen(vault, self.issue.as_ref())?;
        let (rotation, hold) = vault.rotation.clone().next(&plan(&mesh.spec), &seen);
        Ok((Vault { rotation, ..vault.clone() }, hold))
    }

    /// Makes the Secrets so: keys and record first, then what is handed out.
    async fn hold(&mut self, held: &Held, vault: &Vault, issue: &Issue) -> Result<(), Trouble> {
        let uid = self.uid().to_owned();
        let same = |facts: &Option<SecretFacts>, data: &Data| {
            let ours = |facts: &SecretFacts| facts.owner.as_ref() == Some(&uid);
            facts.as_ref().is_some_and(|facts| facts.data == *data && ours(facts))
        };
        let root = vault.write();
        if !same(&held.root, &root) {
            self.write(&held.owner, names::CA_ROOT_SECRET, root).await?;
        }
        if !same(&held.issued, &issue.secret) {
            self.write(&held.owner, names::CA_SECRET, issue.secret.clone()).await?;
        }
        Ok(())
    }

    async fn write(
        &mut self,
        owner: &OwnerReference,
        name: &'static str,
        data: Data,
    ) -> Result<(), Trouble> {
        let metadata = meta(owner, name, Some(&self.inputs.shared.operator.namespace));
        let type_ = Some("Opaque".to_owned());
        let secret = Secret { metadata, data: Some(data.clone()), type_, ..Secret::default() };
        let applied = self.applier.apply(&secret).await;
        applied.map_err(|error| Trouble::Write(error.to_string()))?;
        self.written.insert(name, data);
        info!(name, "secret written");
        Ok(())
    }

    /// Says what became of it, to the other tasks and to people.
    async fn tell(
        &self,
        vault: &Vault,
        hold: Hold,
        issue: Issue,
        trouble: Option<Trouble>,
    ) -> Result<(), Trouble> {
        let status = status::of(vault, &hold)?;
        let view = View { issue: Some(issue), trouble, status: Some(status) };
        self.inputs.views.send_if_modified(|held| {
            let changed = *held != view;
            *held = view;
            changed
        });
        let shared = &self.inputs.shared;
        let expiry = status::expiry_warning(vault, shared.clock.unix_millis())?;
        let transition = hold.transition.map(|transition| {
            info!(event = transition.label(), decision = hold.decision, "rotation");
            Happening {
                reason: transition.label(),
                sentence: transition.sentence().to_owned(),
                warning: transition.is_warning(),
            }
        });
        for happening in transition.into_iter().chain(expiry) {
            shared.events.publish(&shared.about, &happening).await;
        }
        Ok(())
    }

    /// Finds out what control replicas serve with, while the rotation waits for them.
    async fn ask_control(&mut self) {
        if !matches!(self.phase, Phase::Draining(_, Drain::Serving)) {
            self.control = None;
            return;
        }
        let Some(passport) = self.inputs.passports.borrow().clone() else { return };
        let asked =
            asked(&self.inputs.shared.worlds.borrow(), &self.inputs.shared.operator.namespace);
        let asking = asked.into_iter().map(|(name, address)| {
            let passport = Arc::clone(&passport);
            async move { (name, serving_issuer(address, &passport).await) }
        });
        let answers = futures::future::join_all(asking).await;
        self.control = Some(Census::of(answers)).filter(|census| !census.live.is_empty());
    }

    fn uid(&self) -> &str {
        self.inputs.shared.uid()
    }
}

/// The control replicas by name, with their addresses.
fn asked(world: &World, own: &str) -> Vec<(Arc<str>, std::net::IpAddr)> {
    let running = replicas(world, own);
    let named = world.pods.in_namespace(own).filter_map(|(name, pod)| {
        let replica = running.get(pod.uid.as_str())?;
        Some((name.to_string().into(), replica.address))
    });
    named.collect()
}

async fn wait(worlds: &mut Worlds, fleets: Option<&mut Fleets>, most: Duration) {
    let change = async {
        match fleets {
            Some(fleets) => {
                tokio::select! {
                    _ = worlds.changed() => {}
                    _ = fleets.changed() => {}
                }
            }
            None => drop(worlds.changed().await),
        }
    };
    // That nothing changed in time is an answer as well.
    drop(timeout(most, change).await);
}

/// Makes and destroys keys. A next root that cannot be made is told of, and the others go on:
/// whoever has one relies on it.
fn keys(
    vault: Vault,
    asked: rotation::Vault,
    mint: impl FnOnce() -> Result<Authority, Trouble>,
) -> (Vault, Option<Trouble>) {
    match (asked, vault.next.clone()) {
        (rotation::Vault::Keep, _) | (rotation::Vault::Promote, None) => (vault, None),
        (rotation::Vault::MakeNext, _) => match mint() {
            Ok(next) => {
                info!("next root made");
                (Vault { next: Some(next), ..vault }, None)
            }
            Err(trouble) => (vault, Some(trouble)),
        },
        (rotation::Vault::Promote, Some(active)) => (Vault { active, next: None, ..vault }, None),
        (rotation::Vault::DiscardNext, _) => (Vault { next: None, ..vault }, None),
    }
}

/// A root for what `spec` asks for. What is wrong with the rest of it is no reason not to make one.
fn mint_for(spec: &MeshInstallationSpec, now: SystemTime) -> Result<Authority, Trouble> {
    let (domain, lifetime) = root(spec)?;
    Ok(mint::authority(&domain, Validity { now, lifetime })?)
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

const BREATH: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_secs(10);
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
