//! The services and endpoints that one worker knows. Views are made from what discovery holds, anew
//! when that has changed; endpoints, with their pools and their load, live on through all views
//! that name them.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
};

use model::{
    endpoint::Endpoints,
    key::Key,
    resource::Resource,
    service::{Service, ServiceId},
};
use tokio::{sync::watch, time::Instant};

use super::view::View;
use crate::{
    discovery::{Answer, Discovery},
    pool::{Endpoint, Transport},
    worker::Worker,
};

/// What one worker knows.
#[derive(Debug)]
pub struct Directory {
    changed: RefCell<watch::Receiver<u64>>,
    /// What `changed` said last.
    generation: Cell<u64>,
    views: RefCell<BTreeMap<ServiceId, Kept>>,
    endpoints: RefCell<BTreeMap<(SocketAddr, Transport), Rc<Endpoint>>>,
}

#[derive(Debug)]
struct Kept {
    view: Rc<View>,
    idle_sweeps: Cell<u32>,
}

impl Directory {
    /// A directory that looks again whenever `changed` says so.
    #[must_use]
    pub fn new(mut changed: watch::Receiver<u64>) -> Self {
        let generation = Cell::new(*changed.borrow_and_update());
        let changed = RefCell::new(changed);
        Self { changed, generation, views: RefCell::default(), endpoints: RefCell::default() }
    }

    /// The generation of what discovery holds.
    #[must_use]
    pub fn generation(&self) -> u64 {
        let mut changed = self.changed.borrow_mut();
        // Asking whether there is news costs a load, reading it a lock. Without a sender there is
        // none any more.
        if changed.has_changed().unwrap_or(false) {
            self.generation.set(*changed.borrow_and_update());
        }
        self.generation.get()
    }

    /// The endpoint at an address, made if nobody has used it yet.
    #[must_use]
    pub fn endpoint(&self, address: SocketAddr, transport: Transport) -> Rc<Endpoint> {
        let mut endpoints = self.endpoints.borrow_mut();
        let made = endpoints.entry((address, transport.clone()));
        Rc::clone(made.or_insert_with(|| Rc::new(Endpoint::new(address, transport))))
    }

    /// Whether there is an endpoint at an address already.
    pub(super) fn knows(&self, address: SocketAddr, transport: Transport) -> bool {
        self.endpoints.borrow().contains_key(&(address, transport))
    }

    /// The view of a service, waiting for the control plane if need be; nothing if it does not say
    /// in time.
    pub(super) async fn find(&self, worker: &Rc<Worker>, id: &ServiceId) -> Option<Rc<View>> {
        if let Some(view) = self.view(worker, id) {
            return Some(view);
        }
        drop(worker.plane.discovery.look_up(Key::Service(id.clone())).await);
        self.view(worker, id)
    }

    /// The view to use instead of `view`, if what it was made from has changed. What the control
    /// plane no longer knows is used as it was last known.
    pub(super) fn newer(&self, worker: &Rc<Worker>, view: &View) -> Option<Rc<View>> {
        if view.generation().get() == self.generation() {
            return None;
        }
        // What is replaced is left as it is: other connections hold it too, and are to find that
        // out.
        self.view(worker, &view.service.id)
    }

    fn view(&self, worker: &Rc<Worker>, id: &ServiceId) -> Option<Rc<View>> {
        let generation = self.generation();
        let held = self.views.borrow().get(id).map(|kept| Rc::clone(&kept.view));
        if let Some(view) = &held
            && view.generation().get() == generation
        {
            return held;
        }
        let Some((service, endpoints)) = look(&worker.plane.discovery, id) else {
            return held;
        };
        if let Some(view) = &held
            && is_made_from(view, &service, &endpoints)
        {
            view.generation().set(generation);
            return held;
        }
        let view = View::new(worker, service, endpoints, held.as_deref());
        view.generation().set(generation);
        let kept = Kept { view: Rc::clone(&view), idle_sweeps: Cell::new(0) };
        self.views.borrow_mut().insert(id.clone(), kept);
        Some(view)
    }

    /// Closes all connections that nobody uses now.
    pub fn close_idle(&self, now: Instant) {
        self.endpoints.borrow().values().for_each(|endpoint| endpoint.close_idle(now));
    }

    /// Tells discovery what is in use, and forgets what was not used for a while.
    pub fn sweep(&self, worker: &Worker, now: Instant) {
        let discovery = &worker.plane.discovery;
        self.views.borrow_mut().retain(|_, kept| {
            let used = kept.view.take_used() || Rc::strong_count(&kept.view) > 1;
            kept.idle_sweeps.set(if used { 0 } else { kept.idle_sweeps.get() + 1 });
            if used {
                touch(discovery, &kept.view);
            }
            kept.idle_sweeps.get() < FORGET_AFTER
        });
        self.endpoints.borrow_mut().retain(|_, endpoint| {
            let used = endpoint.sweep(now);
            if used {
                discovery.touch(&Key::Workload(endpoint.address.ip()));
            }
            used || Rc::strong_count(endpoint) > 1
        });
    }
}

fn touch(discovery: &Discovery, view: &View) {
    discovery.touch(&Key::Service(view.service.id.clone()));
    view.backends().for_each(|backend| discovery.touch(&Key::Endpoints(backend.id.clone())));
}

type Found = (Arc<Service>, Vec<(ServiceId, Arc<Endpoints>)>);

fn look(discovery: &Discovery, id: &ServiceId) -> Option<Found> {
    let Some(Answer::Found(Resource::Service(service))) =
        discovery.current(&Key::Service(id.clone()))
    else {
        return None;
    };
    let endpoints = service.backends.keys().map(|backend| {
        let found = discovery.current(&Key::Endpoints(backend.clone()));
        let endpoints = match found {
            Some(Answer::Found(Resource::Endpoints(endpoints))) => endpoints,
            _ => Arc::new(Endpoints { id: backend.clone(), endpoints: Vec::new() }),
        };
        (backend.clone(), endpoints)
    });
    let endpoints = endpoints.collect();
    Some((service, endpoints))
}

fn is_made_from(
    view: &View,
    service: &Arc<Service>,
    endpoints: &[(ServiceId, Arc<Endpoints>)],
) -> bool {
    let same = |(id, endpoints): &(ServiceId, Arc<Endpoints>)| {
        let mut held = view.backends().filter(|backend| backend.id == *id);
        held.next().is_some_and(|backend| Arc::ptr_eq(&backend.endpoints, endpoints))
    };
    Arc::ptr_eq(&view.service, service) && endpoints.iter().all(same)
}

/// After how many sweeps without a use a view is forgotten.
const FORGET_AFTER: u32 = 120;
