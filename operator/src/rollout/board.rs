//! The decisions of all rollouts, as the one set that control replicas are sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use model::decision::{Decision, RolloutId};
use tokio::sync::watch;

/// Where rollouts post their decisions.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    state: Arc<Mutex<State>>,
    publish: watch::Sender<Option<Arc<Vec<Decision>>>>,
}

#[derive(Debug)]
struct State {
    /// Rollouts that were there at the beginning and have not spoken. A set without them would end
    /// them.
    awaited: BTreeSet<RolloutId>,
    decisions: BTreeMap<RolloutId, Decision>,
}

impl Board {
    /// A board that publishes nothing before each of `awaited` has posted or is gone.
    pub(crate) fn new(
        awaited: BTreeSet<RolloutId>,
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

    /// Forgets a rollout that is gone: nothing is divided for it any more.
    pub(crate) fn remove(&self, rollout: &RolloutId) {
        self.change(|state| {
            state.awaited.remove(rollout);
            state.decisions.remove(rollout);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(name: &str) -> Decision {
        let rollout = RolloutId::new("shop", name);
        Decision { rollout, number: 1, services: Vec::new(), split: None }
    }

    #[test]
    fn nothing_is_published_before_all_rollouts_have_spoken() {
        let (publish, published) = watch::channel(None);
        let awaited = ["a", "b"].map(|name| RolloutId::new("shop", name)).into();
        let board = Board::new(awaited, publish);
        board.post(decision("a"));
        assert_eq!(*published.borrow(), None);
        board.remove(&RolloutId::new("shop", "b"));
        assert_eq!(published.borrow().as_ref().unwrap().len(), 1);
    }

    #[test]
    fn without_rollouts_the_empty_set_is_published_at_once() {
        let (publish, published) = watch::channel(None);
        let board = Board::new(BTreeSet::new(), publish);
        assert_eq!(published.borrow().as_ref().unwrap().len(), 0);
        board.post(decision("a"));
        board.post(decision("b"));
        board.remove(&RolloutId::new("shop", "a"));
        assert_eq!(published.borrow().as_ref().unwrap().len(), 1);
    }
}
