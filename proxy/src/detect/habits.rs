//! What one worker has learned of places by how conversations began there. Bounded: what was not
//! met for longest is forgotten first.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

/// Places of which something is known.
#[derive(Debug)]
pub struct Habits<P> {
    places: RefCell<BTreeMap<P, u64>>,
    uses: Cell<u64>,
    room: usize,
}

impl<P: Clone + Ord> Habits<P> {
    /// Nothing is known yet, and of no more than `room` places will it ever be.
    #[must_use]
    pub const fn new(room: usize) -> Self {
        Self { places: RefCell::new(BTreeMap::new()), uses: Cell::new(0), room }
    }

    /// Whether it is known of `place`.
    #[must_use]
    pub fn has(&self, place: &P) -> bool {
        let now = self.tick();
        let mut places = self.places.borrow_mut();
        places.get_mut(place).map(|met| *met = now).is_some()
    }

    /// Remembers it of `place`.
    pub fn learn(&self, place: P) {
        let now = self.tick();
        let mut places = self.places.borrow_mut();
        if !places.contains_key(&place) && places.len() >= self.room {
            let oldest = places.iter().min_by_key(|(_, met)| **met);
            if let Some(oldest) = oldest.map(|(oldest, _)| oldest.clone()) {
                places.remove(&oldest);
            }
        }
        places.insert(place, now);
    }

    /// It holds of `place` no more.
    pub fn forget(&self, place: &P) {
        self.places.borrow_mut().remove(place);
    }

    fn tick(&self) -> u64 {
        let now = self.uses.get().wrapping_add(1);
        self.uses.set(now);
        now
    }
}

#[cfg(test)]
mod tests;
