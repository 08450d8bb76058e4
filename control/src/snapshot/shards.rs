//! A map in many small parts, of which a copy shares all that were not written to since.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash},
    sync::Arc,
};

/// A map that is cheap to copy: 256 parts, shared until one is written to.
#[derive(Clone, Debug)]
pub struct Shards<K, V>(Arc<[Arc<Part<K, V>>]>);

/// Equal keys must meet in one part in every snapshot, so the hash is the same in all of them.
type Hashing = BuildHasherDefault<DefaultHasher>;
type Part<K, V> = HashMap<K, V, Hashing>;

impl<K: Eq + Hash + Clone, V: PartialEq + Clone> Shards<K, V> {
    /// The value under `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(part_of(key))?.get(key)
    }

    /// Puts `value` under `key`, unless an equal one is there: that one stays, and is what others
    /// hold already.
    pub fn put(&mut self, key: K, value: V) {
        if self.get(&key) != Some(&value)
            && let Some(part) = self.part(&key)
        {
            part.insert(key, value);
        }
    }

    /// Removes what is under `key`.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if self.get(key).is_some()
            && let Some(part) = self.part(key)
        {
            part.remove(key);
        }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|part| part.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|part| part.is_empty())
    }

    fn part<Q: Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut Part<K, V>> {
        Arc::make_mut(&mut self.0).get_mut(part_of(key)).map(Arc::make_mut)
    }
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self((0..PARTS).map(|_| Arc::default()).collect())
    }
}

impl<K: Eq + Hash, V: PartialEq> PartialEq for Shards<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

fn part_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    usize::try_from(Hashing::default().hash_one(key)).unwrap_or_default() % PARTS
}

const PARTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_not_touched_by_what_is_written_later() {
        let mut shards: Shards<String, u32> = Shards::default();
        shards.put("a".to_owned(), 1);
        let copy = shards.clone();
        shards.put("a".to_owned(), 2);
        shards.put("b".to_owned(), 3);
        assert_eq!((copy.get("a"), copy.get("b")), (Some(&1), None));
        shards.remove("a");
        assert_eq!((copy.len(), shards.len()), (1, 1));
    }

    #[test]
    fn an_equal_value_leaves_the_one_that_is_there() {
        let mut shards: Shards<u8, Arc<u32>> = Shards::default();
        let first = Arc::new(1);
        shards.put(0, Arc::clone(&first));
        shards.put(0, Arc::new(1));
        assert!(shards.get(&0).is_some_and(|found| Arc::ptr_eq(found, &first)));
    }

    #[test]
    fn a_copy_shares_every_part_that_was_not_written_to() {
        let mut shards: Shards<u32, u32> = Shards::default();
        (0..10_000).for_each(|key| shards.put(key, key));
        let copy = shards.clone();
        shards.put(7, 0);
        let shared =
            shards.0.iter().zip(copy.0.iter()).filter(|(one, other)| Arc::ptr_eq(one, other));
        assert_eq!(shared.count(), PARTS - 1);
    }
}
