//! The decisions of all rollouts, as the one set that control replicas are sent.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use model::decision::{Decision, RolloutId};
use tokio::sync::watch;
use tracing::warn;

/// What the statuses of rollouts hold, if they hold a decision.
pub(crate) type Recorded = BTreeMap<RolloutId, Option<Decision>>;

/// Where rollouts post their decisions.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    state: Arc<Mutex<State>>,
    publish: watch::Sender<Option<Arc<Vec<Decision>>>>,
}

#[derive(Debug)]
struct State {
    /// Rollouts that were there at the beginning and have not spoken, with what their status holds.
    /// A set without them would end them.
    awaited: Recorded,
    decisions: BTreeMap<RolloutId, Decision>,
}

impl Board {
    /// A board that publishes nothing before each of `awaited` has posted, is gone, or is waited
    /// for no longer.
    pub(crate) fn new(
        awaited: Recorded,
        publish: watch::Sender<Option<Arc<Vec<Decision>>>>,
    ) -> Self {
        let state = State { awaited, decisions: BTreeMap::new() };
        let board = Self { state: Arc::new(Mutex::new(state)), publish };
        board.change(|_| {});
        board
    }

    /// Makes `decision` the one that is followed.
    pub(crate) fn post(&self, decision: Decision) {
        self.change(|state| {
            state.awaited.remove(&decision.rollout);
            state.decisions.insert(decision.rollout.clone(), decision);
        });
    }

    /// Whether following `decision` instead of what is followed takes traffic away.
    pub(crate) fn may_fall_to(&self, decision: &Decision) -> bool {
        let state = self.state();
        let held = state.decisions.get(&decision.rollout);
        held.is_some_and(|held| held.may_fall_to(decision))
    }

    /// Waits no longer: of rollouts that have not spoken, what was recorded is followed. One that
    /// cannot be recorded must not hold back the decisions of the others.
    pub(crate) fn stand_in(&self) {
        self.change(|state| {
            for (rollout, recorded) in mem::take(&mut state.awaited) {
                warn!(%rollout, "has not spoken: its recorded decision stands in");
                state.decisions.extend(recorded.map(|decision| (rollout, decision)));
            }
        });
    }

    /// Forgets a rollout that is gone: nothing is divided for it any more.
    pub(crate) fn remove(&self, rollout: &RolloutId) {
        self.change(|state| {
            state.awaited.remove(rollout);
            state.decisions.remove(rollout);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if !state.awaited.is_empty() {
            return;
        }
        let all: Vec<Decision> = state.decisions.values().cloned().collect();
        self.publish.send_if_modified(|held| {
            let same = held.as_deref() == Some(&all);
            if !same {
                *held = Some(Arc::new(all));
            }
            !same
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long rollouts have to speak. A status that can be written is, within a second or two.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(name: &str) -> Decision {
        let rollout = RolloutId::new("shop", name);
        Decision { rollout, number: 1, services: Vec::new(), split: None }
    }

    fn awaited<const N: usize>(names: [&str; N]) -> Recorded {
        names.map(|name| (RolloutId::new("shop", name), Some(decision(name)))).into()
    }

    #[test]
    fn a_rollout_that_stays_silent_stands_in_its_recorded_decision_until_it_speaks() {
        let (publish, published) = watch::channel(None);
        let mut recorded = awaited(["silent"]);
        recorded.extend([(RolloutId::new("shop", "new"), None)]);
        let board = Board::new(recorded, publish);
        board.post(decision("a"));
        assert_eq!(*published.borrow(), None);
        let newer = Decision { number: 2, ..decision("silent") };
        assert!(!board.may_fall_to(&newer));
        board.stand_in();
        let names = |published: &watch::Receiver<Option<Arc<Vec<Decision>>>>| {
            let all = published.borrow().clone().unwrap();
            all.iter().map(|d| (d.rollout.name.to_string(), d.number)).collect::<Vec<_>>()
        };
        assert_eq!(names(&published), [("a".to_owned(), 1), ("silent".to_owned(), 1)]);
        assert!(board.may_fall_to(&newer));
        board.post(newer);
        assert_eq!(names(&published), [("a".to_owned(), 1), ("silent".to_owned(), 2)]);
    }

    #[test]
    fn nothing_is_published_before_all_rollouts_have_spoken() {
        let (publish, published) = watch::channel(None);
        let board = Board::new(awaited(["a", "b"]), publish);
        board.post(decision("a"));
        assert_eq!(*published.borrow(), None);
        board.remove(&RolloutId::new("shop", "b"));
        assert_eq!(published.borrow().as_ref().unwrap().len(), 1);
    }

    #[test]
    fn without_rollouts_the_empty_set_is_published_at_once() {
        let (publish, published) = watch::channel(None);
        let board = Board::new(Recorded::new(), publish);
        assert_eq!(published.borrow().as_ref().unwrap().len(), 0);
        board.post(decision("a"));
        board.post(decision("b"));
        board.remove(&RolloutId::new("shop", "a"));
        assert_eq!(published.borrow().as_ref().unwrap().len(), 1);
    }
}
