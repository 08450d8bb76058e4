//! Who of the live proxies holds what: the proof that rollouts and rotations wait for.
//!
//! A census is taken by the caller, who alone knows which proxies are live. Here it is only
//! counted: how many hold what is asked for, and the names of those that do not.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

/// The live proxies and what each says it holds. The key is what a person can look up:
/// `<namespace>/<pod>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Census<T> {
    /// Every live proxy, also one that was never heard of.
    pub live: BTreeMap<Arc<str>, T>,
}

/// How far the live proxies have come.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Live proxies.
    pub total: u32,
    /// Those that hold what was asked for.
    pub synced: u32,
    /// The first of the others, at most [`Proof::NAMED`].
    pub laggards: Vec<Arc<str>>,
}

impl<T> Census<T> {
    /// The census of these proxies.
    pub fn of(live: impl IntoIterator<Item = (Arc<str>, T)>) -> Self {
        Self { live: live.into_iter().collect() }
    }

    /// Counts the proxies for which `holds` is true, and names some of the others.
    #[must_use]
    pub fn prove(&self, holds: impl Fn(&T) -> bool) -> Proof {
        let mut proof = Proof::default();
        for (name, held) in &self.live {
            proof.total += 1;
            if holds(held) {
                proof.synced += 1;
            } else if proof.laggards.len() < Proof::NAMED {
                proof.laggards.push(Arc::clone(name));
            }
        }
        proof
    }
}

impl<T> Default for Census<T> {
    fn default() -> Self {
        Self { live: BTreeMap::new() }
    }
}

impl Proof {
    /// How many laggards are named at most.
    pub const NAMED: usize = 16;

    /// How many do not hold it yet.
    #[must_use]
    pub const fn missing(&self) -> u32 {
        self.total - self.synced
    }

    /// Whether all but at most `spared` of them hold it.
    #[must_use]
    pub const fn suffices(&self, spared: u32) -> bool {
        self.missing() <= spared
    }

    /// The laggards as a person reads them: `a/b, c/d and 3 more`; empty if there are none.
    #[must_use]
    pub fn names(&self) -> String {
        let named = self.laggards.join(", ");
        match usize::try_from(self.missing()).unwrap_or(usize::MAX) - self.laggards.len() {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests;
