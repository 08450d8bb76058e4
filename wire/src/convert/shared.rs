//! What is said many times is held once.

use std::collections::BTreeSet;

/// What has been said.
#[derive(Debug)]
pub(super) struct Shared<T>(BTreeSet<T>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: Clone + Ord> Shared<T> {
    /// Puts what was said first in the place of what says the same.
    pub(super) fn put(&mut self, one: &mut T) {
        match self.0.get(one) {
            Some(held) => one.clone_from(held),
            None => drop(self.0.insert(one.clone())),
        }
    }
}
