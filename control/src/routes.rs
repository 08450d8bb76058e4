//! Statuses of routes: what is to be said of each, and who says it.
//!
//! The index keeps the sheet of what is to be said; every replica has the same. One replica, the
//! holder of the lease, writes what differs from what the API server holds.

use std::{collections::BTreeMap, sync::Arc};

use api::gateway::CONTROLLER_NAME;
use cluster::watch::ObjectName;
use tokio::sync::watch;

use crate::{
    compile::gateway_api::{Verdict, verdicts},
    index::World,
    watch::HttpRoute,
};

pub use write::spawn;

mod merge;
mod write;

/// What is to be said of every route.
pub type Sheet = watch::Receiver<Arc<BTreeMap<ObjectName, Arc<Entry>>>>;

/// What is to be said of one route.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The route, and what is said of it now.
    pub route: Arc<HttpRoute>,
    /// What is to be said.
    pub verdicts: Vec<Verdict>,
}

/// Keeps the sheet.
#[derive(Debug)]
pub struct Scribe {
    entries: BTreeMap<ObjectName, Arc<Entry>>,
    publish: watch::Sender<Arc<BTreeMap<ObjectName, Arc<Entry>>>>,
}

impl Scribe {
    /// With nothing to say.
    #[must_use]
    pub fn new() -> (Self, Sheet) {
        let (publish, sheet) = watch::channel(Arc::default());
        (Self { entries: BTreeMap::new(), publish }, sheet)
    }

    /// Looks at `routes` again.
    pub fn settle<'a>(&mut self, world: &World, routes: impl Iterator<Item = &'a ObjectName>) {
        let mut changed = false;
        for name in routes {
            let entry = world.routes.get(name).and_then(|route| entry(world, name, route));
            if self.entries.get(name).map(AsRef::as_ref) == entry.as_ref() {
                continue;
            }
            changed = true;
            match entry {
                Some(entry) => self.entries.insert(name.clone(), Arc::new(entry)),
                None => self.entries.remove(name),
            };
        }
        if changed {
            self.publish.send_replace(Arc::new(self.entries.clone()));
        }
    }
}

/// Nothing for routes that have nothing to do with services, now or before.
fn entry(world: &World, name: &ObjectName, route: &Arc<HttpRoute>) -> Option<Entry> {
    let verdicts = verdicts(world, name, route);
    let mut said = route.status.iter().flat_map(|status| &status.parents);
    let spoken = said.any(|parent| parent.controller_name == CONTROLLER_NAME);
    (spoken || !verdicts.is_empty()).then(|| Entry { route: Arc::clone(route), verdicts })
}
