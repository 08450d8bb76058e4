//! One rollout, run: looks, asks the machine, and makes so what it says, again and again.

use std::{sync::Arc, time::Duration};

use api::canary::{CanaryRollout, CanaryRolloutStatus};
use cluster::{events::Happening, status::Written, watch::ObjectName};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource as _;
use model::{
    decision::{DecidedSplit, Decision, RolloutId},
    moment::Moment,
    revision::Revision,
    rollout::{Decided, Event, Gates, Hold, Persisted, Rollout, Standing, Transition},
    rows::Target,
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tracing::{info, warn};

use super::{
    board::Board,
    gates::Shut,
    observe::{Sight, Subject},
    plan,
    risk::foresee,
    status::Facts,
};
use crate::{
    fleet::{Fleet, Fleets, live::Live},
    session::Shared,
    world::{Gate, World, Worlds},
};

/// One rollout under way.
pub(super) struct Runner {
    pub(super) shared: Shared,
    pub(super) fleets: Fleets,
    pub(super) board: Board,
    pub(super) id: RolloutId,
    pub(super) about: ObjectReference,
    pub(super) wanted: watch::Sender<Option<Arc<CanaryRolloutStatus>>>,
    pub(super) written: Written<CanaryRolloutStatus>,
    pub(super) shut: watch::Sender<Shut>,
    /// To forget counts that nobody judges by any more.
    pub(super) forget: watch::Sender<Fleet>,
    /// What happened, to be published while the rollout goes on.
    pub(super) happened: mpsc::Sender<Happening>,
    /// Where the rollout stands.
    pub(super) rollout: Rollout,
    /// What control replicas were told last.
    pub(super) posted: Option<Decision>,
}

/// What a turn made.
struct Turned {
    hold: Hold,
    services: Vec<Arc<str>>,
    status: CanaryRolloutStatus,
    shut: Shut,
}

impl Runner {
    /// Goes on with what `rollout` says it was.
    pub(super) fn recall(rollout: &CanaryRollout) -> Rollout {
        let record = rollout.status.as_ref().and_then(|status| status.record.clone());
        let Some(record) = record else { return Rollout::default() };
        let kept = serde_json::from_value::<Persisted>(record);
        let known = kept.map_err(|error| error.to_string());
        let known = known.and_then(|kept| Rollout::try_from(kept).map_err(|e| e.to_string()));
        known.unwrap_or_else(|error| {
            warn!(error, rollout = rollout.metadata.name, "record not understood, beginning anew");
            Rollout::default()
        })
    }

    /// The decision that the status of `rollout` holds, if it holds one.
    pub(super) fn recorded(id: &RolloutId, rollout: &CanaryRollout) -> Option<Decision> {
        let told = rollout.status.as_ref()?.decision.as_ref()?;
        let services = told.services.iter().map(|name| name.as_str().into()).collect();
        Some(decision(id, &Self::recall(rollout).decided, services))
    }

    /// Runs for as long as the rollout is there and the future is polled.
    pub(super) async fn run(mut self) {
        let (mut worlds, mut fleets) = (self.shared.worlds.clone(), self.fleets.clone());
        loop {
            let (pace, pause) = loop {
                worlds.mark_unchanged();
                fleets.mark_unchanged();
                let Some(turned) = self.turn() else { return };
                let again = turned.hold.transition.is_some();
                let (pace, pause) = (pace(turned.hold.standing), self.pause(&turned.hold));
                self.act(turned);
                if !again {
                    break (pace, pause);
                }
            };
            tokio::time::sleep(pace).await;
            self.wait(pause, &mut worlds, &mut fleets).await;
        }
    }

    /// Looks and decides. Nothing if the rollout is gone.
    fn turn(&mut self) -> Option<Turned> {
        let (world, fleet) = (self.shared.worlds.borrow(), self.fleets.borrow());
        let object = find(&world, &self.id, &self.about)?;
        let now = Moment::from_millis(self.shared.clock.unix_millis());
        let sight = Sight {
            world: &world,
            fleet: &fleet,
            rollout: object,
            live: &Live::of(&world, now),
            id: &self.id,
            own: &self.shared.operator.namespace,
            now,
            instant: Instant::now(),
        };
        let subject = sight.subject();
        let seen = sight.seen(subject.as_ref(), self.rollout.stable.as_ref(), self.is_recorded());
        let before = std::mem::take(&mut self.rollout);
        let (rollout, hold) = before.next(&plan::of(&object.spec), &seen);
        self.rollout = rollout;
        let services = subject.as_ref().map(|s| s.services.clone()).unwrap_or_default();
        let facts = Facts {
            rollout: &self.rollout,
            hold: &hold,
            services: &services,
            risks: subject.as_ref().map(|s| foresee(&sight, s)).unwrap_or_default(),
            generation: object.metadata.generation,
            now: sight.now,
        };
        let former = self.wanted.borrow().clone();
        let known = former.as_deref().or(object.status.as_ref());
        let status = facts.status(known.map(|s| s.conditions.as_slice()).unwrap_or_default());
        let shut = subject.map(|subject| shut(&subject, &hold.gates)).unwrap_or_default();
        Some(Turned { hold, services, status, shut })
    }

    /// Makes it so. What takes traffic away goes out first and waits for nothing.
    fn act(&mut self, turned: Turned) {
        let Turned { hold, services, status, shut } = turned;
        let decision = decision(&self.id, &hold.decided, services);
        if self.board.may_fall_to(&decision) {
            self.post(decision.clone());
        }
        self.wanted.send_if_modified(|held| {
            let changed = held.as_deref() != Some(&status);
            if changed {
                *held = Some(Arc::new(status));
            }
            changed
        });
        if self.is_recorded() {
            self.post(decision);
        }
        self.shut.send_if_modified(|held| {
            let changed = *held != shut;
            *held = shut;
            changed
        });
        if let Some(transition) = hold.transition {
            if matches!(transition.event, Event::ReleaseStarted | Event::ReleaseSuperseded) {
                self.forget_former(hold.canary.as_ref());
            }
            self.announce(transition);
        }
    }

    fn post(&mut self, decision: Decision) {
        if self.posted.as_ref() != Some(&decision) {
            info!(rollout = %self.id, number = decision.number, split = ?decision.split, "decision sent");
            self.board.post(decision.clone());
            self.posted = Some(decision);
        }
    }

    /// A proxy that lives through many releases reports on each of them for ever.
    fn forget_former(&self, canary: Option<&Revision>) {
        self.forget.send_if_modified(|fleet| {
            fleet.retain_targets(&self.id, |target| match target {
                Target::Base => true,
                Target::Revision(revision) => Some(revision) == canary,
            });
            false
        });
    }

    fn announce(&self, transition: Transition) {
        let Transition { event, sentence } = transition;
        info!(rollout = %self.id, event = event.label(), sentence, "transition");
        let happening = Happening { reason: event.label(), sentence, warning: event.is_warning() };
        if let Err(error) = self.happened.try_send(happening) {
            warn!(%error, rollout = %self.id, "event dropped");
        }
    }

    /// Whether the API server holds what matters of the state: all but the counts, which change
    /// with every report.
    fn is_recorded(&self) -> bool {
        let written = self.written.borrow();
        let record = written.as_ref().and_then(|status| status.record.clone());
        let kept = record.and_then(|record| serde_json::from_value::<Persisted>(record).ok());
        kept.map(without_counts) == Some(without_counts(Persisted::from(&self.rollout)))
    }

    /// How soon to look again though nothing is seen to change.
    fn pause(&self, hold: &Hold) -> Duration {
        let now = Moment::from_millis(self.shared.clock.unix_millis());
        let due = hold.again_at.map(|at| at.since(now));
        let most = if pace(hold.standing) == BREATH { TICK } else { LOOK };
        due.map_or(most, |due| due.clamp(BREATH, most))
    }

    async fn wait(&mut self, pause: Duration, worlds: &mut Worlds, fleets: &mut Fleets) {
        let written = self.written.changed();
        tokio::select! {
            _ = worlds.changed() => {}
            _ = fleets.changed() => {}
            _ = written => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The rollout, if it is still the one that this is about.
pub(super) fn find<'a>(
    world: &'a World,
    id: &RolloutId,
    about: &ObjectReference,
) -> Option<&'a CanaryRollout> {
    let found = world.rollouts.get(&ObjectName::new(&id.namespace, &id.name))?;
    let meta = found.meta();
    (meta.uid == about.uid && meta.deletion_timestamp.is_none()).then_some(&**found)
}

fn decision(id: &RolloutId, decided: &Decided, services: Vec<Arc<str>>) -> Decision {
    let split = decided.split.as_ref();
    Decision {
        rollout: id.clone(),
        number: decided.number,
        services,
        split: split.map(|split| DecidedSplit { canary: split.canary.clone(), share: split.share }),
    }
}

/// Pods whose gates are to be open and are not.
fn shut(subject: &Subject<'_>, gates: &Gates) -> Shut {
    let wanted = subject.pods.iter().filter(|(_, pod)| {
        let open = match gates {
            Gates::All => true,
            Gates::Only(revisions) => pod.revision.as_ref().is_some_and(|r| revisions.contains(r)),
        };
        open && pod.gate == Gate::Shut && !pod.leaving()
    });
    wanted.map(|(name, pod)| (name.name.to_string(), pod.uid.clone())).collect()
}

fn without_counts(mut kept: Persisted) -> Persisted {
    if let Some(run) = &mut kept.run {
        run.meter = model::rollout::meter::Meter::default();
    }
    kept
}

/// How long to rest between two looks.
fn pace(standing: Standing) -> Duration {
    match standing {
        Standing::Progressing
        | Standing::Paused
        | Standing::Suspended
        | Standing::Promoting
        | Standing::Failed
        | Standing::Aborted
        | Standing::Halted
        | Standing::Reverting => BREATH,
        Standing::Idle | Standing::Completed => EASE,
    }
}

/// Between two looks at most, while a release is under way.
const TICK: Duration = Duration::from_millis(100);
/// The same while nothing is.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at least, while a release is under way.
const BREATH: Duration = Duration::from_millis(20);
/// The same while nothing is: proxies report at all times.
const EASE: Duration = Duration::from_millis(250);
