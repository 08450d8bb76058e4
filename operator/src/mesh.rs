//! The MeshInstallation: what it asks for, built, applied and kept so.

pub(crate) mod build;
mod drift;
pub(crate) mod report;
mod serving;
pub(crate) mod valid;

use std::time::Duration;

use api::{mesh::MeshInstallationSpec, names};
use cluster::apply::Applier;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(crate) use build::meta;
use build::{Desired, Webhooks, build};
use serving::Serving;
use valid::{Invalid, Valid, validate};

use crate::{
    session::Shared,
    world::{SecretFacts, World},
};

/// How far the installation is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Installed {
    /// The generation of the spec that was applied last, or refused.
    pub(crate) generation: Option<i64>,
    /// What keeps it from being applied.
    pub(crate) trouble: Option<Trouble>,
}

/// Why the installation is not as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Trouble {
    /// In one word.
    pub(crate) reason: &'static str,
    /// In a sentence.
    pub(crate) sentence: String,
    /// Whether it stays until a person does something.
    pub(crate) stalled: bool,
}

/// Why a reconciliation ended before its end.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Cluster(#[from] cluster::client::Error),
    #[error(transparent)]
    Mint(#[from] crate::ca::mint::Error),
}

/// What a reconciliation starts from. It is made again when this changes.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    generation: Option<i64>,
    spec: MeshInstallationSpec,
    serving: Option<SecretFacts>,
}

/// Keeps the installation until `stop` fires.
pub(crate) async fn keep(
    shared: Shared,
    installs: watch::Sender<Installed>,
    stop: CancellationToken,
) {
    let (drifted, drift) = watch::channel(0);
    let watching = drift::watch(shared.client(), shared.operator.namespace.clone(), drifted);
    tokio::select! {
        () = stop.cancelled() => {}
        () = watching => {}
        () = run(shared, installs, drift) => {}
    }
}

async fn run(shared: Shared, installs: watch::Sender<Installed>, mut drift: watch::Receiver<u64>) {
    let applier = Applier::new(shared.client(), "serin-mesh");
    let mut worlds = shared.worlds.clone();
    let mut pause = SHORTEST_PAUSE;
    loop {
        drift.mark_unchanged();
        let Some(observed) = observe(&shared, &worlds.borrow_and_update()) else { return };
        let outcome = Box::pin(reconcile(&shared, &applier, &observed)).await;
        let failed = outcome.is_err();
        let trouble = outcome.err().map(|error| trouble_of(&error));
        if let Some(Trouble { reason, sentence, .. }) = &trouble {
            warn!(reason, sentence, "installation");
        }
        installs.send_replace(Installed { generation: observed.generation, trouble });
        pause = if failed { (pause * 2).min(LONGEST_PAUSE) } else { SHORTEST_PAUSE };
        tokio::time::sleep(pause).await;
        if !failed {
            until_different(&shared, &observed, &mut worlds, &mut drift).await;
        }
    }
}

/// Waits for a change of what was observed, for drift, or for the time to look after all.
async fn until_different(
    shared: &Shared,
    observed: &Observed,
    worlds: &mut crate::world::Worlds,
    drift: &mut watch::Receiver<u64>,
) {
    let resync = Instant::now() + RESYNC;
    let different = worlds.wait_for(|world| observe(shared, world).as_ref() != Some(observed));
    tokio::select! {
        _ = different => {}
        _ = drift.changed() => {}
        () = tokio::time::sleep_until(resync) => {}
    }
}

/// Nothing if the mesh is gone.
fn observe(shared: &Shared, world: &World) -> Option<Observed> {
    let mesh = shared.mesh(world)?;
    let serving = world.secret(&shared.operator.namespace, names::WEBHOOK_TLS_SECRET);
    Some(Observed {
        generation: mesh.metadata.generation,
        spec: mesh.spec.clone(),
        serving: serving.cloned(),
    })
}

async fn reconcile(shared: &Shared, applier: &Applier, observed: &Observed) -> Result<(), Error> {
    let valid = {
        let world = shared.worlds.borrow();
        let mesh = shared.mesh(&world).ok_or(Invalid::Anonymous)?;
        validate(mesh, &shared.operator)?
    };
    let now = shared.clock.now();
    let serving = Serving::decide(&valid, observed.serving.as_ref(), now)?;
    let desired = build(&valid, Some(&serving.bundle));
    Box::pin(apply(applier, &valid, desired, serving)).await?;
    info!(generation = observed.generation, "installation applied");
    Ok(())
}

/// Applies everything, in an order in which nothing refers to what is not there yet. A renewed
/// certificate is handed out last, when the API server has been told of its CA.
async fn apply(
    applier: &Applier,
    valid: &Valid,
    desired: Desired,
    serving: Serving,
) -> Result<(), Error> {
    let Desired {
        accounts,
        cluster_role_bindings,
        role_bindings,
        webhook_config,
        leases,
        services,
        deployments,
        budgets,
        policies,
        policy_bindings,
        webhooks,
    } = desired;
    let Serving { bundle: _, first, renewed } = serving;
    all(applier, &accounts).await?;
    all(applier, &cluster_role_bindings).await?;
    all(applier, &role_bindings).await?;
    all(applier, &[webhook_config]).await?;
    all(applier, first.as_slice()).await?;
    all(applier, &leases).await?;
    all(applier, &services).await?;
    all(applier, &deployments).await?;
    all(applier, &budgets).await?;
    prune_budgets(applier, valid, &budgets).await?;
    all(applier, &policies).await?;
    all(applier, &policy_bindings).await?;
    if let Some(Webhooks { mutating, validating }) = webhooks {
        all(applier, &[mutating]).await?;
        all(applier, &[validating]).await?;
    }
    all(applier, renewed.as_slice()).await?;
    Ok(())
}

async fn all<K>(applier: &Applier, objects: &[K]) -> Result<(), cluster::client::Error>
where
    K: kube::Resource<DynamicType = ()> + serde::Serialize + serde::de::DeserializeOwned,
{
    for object in objects {
        applier.apply(object).await?;
    }
    Ok(())
}

/// A budget is the one kind of object that a mesh may stop wanting.
async fn prune_budgets(
    applier: &Applier,
    valid: &Valid,
    wanted: &[PodDisruptionBudget],
) -> Result<(), cluster::client::Error> {
    for name in [names::CONTROL, names::WEBHOOK] {
        if !wanted.iter().any(|budget| budget.metadata.name.as_deref() == Some(name)) {
            applier.delete(&build::budget(valid, name)).await?;
        }
    }
    Ok(())
}

fn trouble_of(error: &Error) -> Trouble {
    let (reason, stalled) = match error {
        Error::Invalid(invalid) => (invalid.label(), true),
        Error::Cluster(_) => ("NotApplied", false),
        Error::Mint(_) => ("CertificateNotMade", false),
    };
    Trouble { reason, sentence: error.to_string(), stalled }
}

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const RESYNC: Duration = Duration::from_secs(600);
