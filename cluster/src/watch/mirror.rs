//! What is known of one kind, by name.

use std::{
    collections::BTreeMap,
    ops::Bound::{Included, Unbounded},
    sync::Arc,
};

use super::{Change, ObjectName};

/// All objects of one kind, as far as they are kept.
#[derive(Debug)]
pub struct Mirror<T> {
    objects: BTreeMap<ObjectName, Arc<T>>,
    complete: bool,
}

/// An object that is not what it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Touched<T> {
    /// Its name.
    pub name: ObjectName,
    /// What it was, if it was there.
    pub before: Option<Arc<T>>,
    /// What it is, if it is there.
    pub after: Option<Arc<T>>,
}

impl<T: PartialEq> Mirror<T> {
    /// Takes a change in, and says which objects differ now: those that are gone first. An object
    /// of which nothing that is kept has changed is not among them.
    pub fn apply(&mut self, change: Change<T>) -> Vec<Touched<T>> {
        match change {
            Change::Applied(name, object) => self.put(name, object).into_iter().collect(),
            Change::Deleted(name) => self.remove(name).into_iter().collect(),
            Change::Reset(objects) => self.reset(objects),
        }
    }

    fn reset(&mut self, objects: Vec<(ObjectName, T)>) -> Vec<Touched<T>> {
        self.complete = true;
        let mut wanted: BTreeMap<ObjectName, T> = objects.into_iter().collect();
        let gone: Vec<ObjectName> =
            self.objects.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        let mut touched: Vec<_> = gone.into_iter().filter_map(|name| self.remove(name)).collect();
        while let Some((name, object)) = wanted.pop_first() {
            touched.extend(self.put(name, object));
        }
        touched
    }

    fn put(&mut self, name: ObjectName, object: T) -> Option<Touched<T>> {
        let before = self.objects.get(&name).cloned();
        if before.as_deref() == Some(&object) {
            return None;
        }
        let after = Arc::new(object);
        self.objects.insert(name.clone(), Arc::clone(&after));
        Some(Touched { name, before, after: Some(after) })
    }

    fn remove(&mut self, name: ObjectName) -> Option<Touched<T>> {
        let before = self.objects.remove(&name)?;
        Some(Touched { name, before: Some(before), after: None })
    }
}

impl<T> Mirror<T> {
    /// Whether the first list is in.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The object with this name.
    #[must_use]
    pub fn get(&self, name: &ObjectName) -> Option<&Arc<T>> {
        self.objects.get(name)
    }

    /// All objects, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectName, &Arc<T>)> {
        self.objects.iter()
    }

    /// The objects of one namespace, by name.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = (&ObjectName, &Arc<T>)> {
        let first = ObjectName::new(namespace, "");
        let namespace = Arc::clone(&first.namespace);
        self.objects
            .range((Included(first), Unbounded))
            .take_while(move |(name, _)| name.namespace == namespace)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

impl<T> Default for Mirror<T> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), complete: false }
    }
}
