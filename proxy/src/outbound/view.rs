//! A service as one worker uses it: routes and backends with everything a request needs looked up
//! beforehand. A view never changes; what changes makes a new one, which takes over what still
//! holds.

mod backend;

use std::{
    cell::Cell,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, Method, Uri};
use model::{
    endpoint::{Endpoint as Address, Endpoints},
    route::{self, Route},
    service::{Backend, Protocol, Service, ServiceId},
    workload::Workload,
};

pub use self::backend::{BackendView, Drawn, Member};
use crate::{
    balance::stride::Stride,
    http::{recorder::Shared, reply::Reason},
    metrics::labels::{PathLabels, Peer, Reporter, Security, ServiceLabels},
    worker::Worker,
};

/// A service, and what its requests need.
#[derive(Debug)]
pub struct View {
    /// What the control plane says.
    pub service: Arc<Service>,
    /// Counts what came to no endpoint.
    pub recorder: Shared,
    /// Whether any of its endpoints is to be sent names of headers as they were written.
    pub keeps_case: bool,
    backends: Box<[Rc<BackendView>]>,
    /// One per route: which of its backends comes next.
    strides: Box<[Rc<Stride>]>,
    generation: Cell<u64>,
    used: Cell<bool>,
}

/// Endpoints that a request has been to in vain; nearly always none.
#[derive(Debug, Default)]
pub struct Tried(Vec<SocketAddr>);

impl View {
    /// The view of a service whose backends' endpoints are `endpoints`. `older` is the one it
    /// replaces.
    pub(super) fn new(
        worker: &Rc<Worker>,
        service: Arc<Service>,
        endpoints: Vec<(ServiceId, Arc<Endpoints>)>,
        older: Option<&Self>,
    ) -> Rc<Self> {
        let recorder = recorder(worker, &service.id, &service.name, &service.namespace);
        let backends = endpoints.into_iter().filter_map(|(id, endpoints)| {
            let backend = service.backends.get(&id)?;
            let older = older.and_then(|older| older.backend(&id));
            let is_itself = service.id == id
                && service.name == backend.name
                && service.namespace == backend.namespace;
            let recorder = if is_itself {
                Rc::clone(&recorder)
            } else {
                self::recorder(worker, &id, &backend.name, &backend.namespace)
            };
            Some(Rc::new(BackendView::new(worker, id, backend, &endpoints, recorder, older)))
        });
        let backends: Box<[Rc<BackendView>]> = backends.collect();
        let mut endpoints = backends.iter().flat_map(|backend| &backend.endpoints.endpoints);
        let keeps_case = endpoints.any(|endpoint| endpoint.keeps_case);
        let strides = service.routes.iter().enumerate().map(|(index, route)| {
            let total = route::total_weight(&route.backends);
            let held = older.and_then(|older| older.strides.get(index));
            keep_or_start(worker, held, total)
        });
        let strides = strides.collect();
        let generation = Cell::new(worker.directory.generation());
        let used = Cell::new(true);
        Rc::new(Self { service, recorder, keeps_case, backends, strides, generation, used })
    }

    /// The view of a pod that is reached by its own address: a service of one endpoint, without
    /// routes.
    pub(super) fn direct(worker: &Rc<Worker>, address: SocketAddr, pod: &Workload) -> Rc<Self> {
        let id = ServiceId::new(&address.ip().to_string(), address.port());
        let (name, namespace) = (pod.canonical_name.clone(), pod.namespace.clone());
        let (split, connect_timeout) = (None, DIRECT_CONNECT);
        let backend =
            Backend { name: name.clone(), namespace: namespace.clone(), split, connect_timeout };
        let identity = pod.identity_at(address.port()).cloned();
        let keeps_case = pod.keeps_case;
        let endpoint = Address { identity, keeps_case, ..Address::plain(address) };
        let endpoints = Arc::new(Endpoints { id: id.clone(), endpoints: vec![endpoint] });
        let backends = [(id.clone(), backend)].into_iter().collect();
        let (protocol, routes) = (Protocol::Detect, Vec::new());
        let service = Service { id: id.clone(), name, namespace, protocol, routes, backends };
        Self::new(worker, Arc::new(service), vec![(id, endpoints)], None)
    }

    /// The backend that a request goes to.
    ///
    /// # Errors
    /// The answer, if it goes nowhere.
    pub fn route(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(Rc<BackendView>, Option<&Route>), Reason> {
        if self.service.routes.is_empty() {
            return Ok((self.own_backend().ok_or(Reason::NoEndpoint)?, None));
        }
        let mut routes = self.service.routes.iter().zip(&self.strides);
        let matched = routes.find(|(route, _)| route.matches.matches(method, uri, headers));
        let (route, stride) = matched.ok_or(Reason::NoRoute)?;
        let picked = route::pick(&route.backends, stride.next());
        let id = picked.and_then(|backend| backend.service.as_ref()).ok_or(Reason::NoBackend)?;
        Ok((self.backend(id).cloned().ok_or(Reason::NoBackend)?, Some(route)))
    }

    /// The backend that the service is itself: where bytes go, which no route can be chosen for.
    #[must_use]
    pub fn own_backend(&self) -> Option<Rc<BackendView>> {
        self.backend(&self.service.id).cloned()
    }

    fn backend(&self, id: &ServiceId) -> Option<&Rc<BackendView>> {
        self.backends.iter().find(|backend| backend.id == *id)
    }

    /// The ids of its backends, whose endpoints it holds.
    pub(super) fn backends(&self) -> impl Iterator<Item = &BackendView> {
        self.backends.iter().map(|backend| &**backend)
    }

    /// Notes a use.
    pub fn touch(&self) {
        self.used.set(true);
    }

    /// Whether it was used since this was last asked.
    pub(super) fn take_used(&self) -> bool {
        self.used.replace(false)
    }

    pub(super) const fn generation(&self) -> &Cell<u64> {
        &self.generation
    }
}

impl Tried {
    /// Notes an attempt that came to nothing.
    pub fn note(&mut self, address: SocketAddr) {
        if self.has_room() {
            self.0.push(address);
        }
    }

    /// Whether there may be another attempt.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.0.len() < ATTEMPTS
    }

    /// Whether there may be another attempt after the next.
    #[must_use]
    pub const fn has_room_for_two(&self) -> bool {
        self.0.len() + 1 < ATTEMPTS
    }

    /// Whether there was any.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    fn contains(&self, address: SocketAddr) -> bool {
        self.0.contains(&address)
    }
}

/// The stride in use goes on if its round is as long; a new one starts at a place of its own.
fn keep_or_start(worker: &Worker, held: Option<&Rc<Stride>>, total: u64) -> Rc<Stride> {
    match held {
        Some(held) if held.total() == total.max(1) => Rc::clone(held),
        Some(_) | None => Rc::new(Stride::new(total, worker.dice.below(usize::MAX) as u64)),
    }
}

fn path(worker: &Worker, service: Arc<ServiceLabels>, security: Security) -> PathLabels {
    let (source, destination) = (Arc::clone(&worker.plane.local), Peer::nobody());
    PathLabels { reporter: Reporter::Source, source, destination, service, security }
}

/// Counts what came to no endpoint of a service.
fn recorder(worker: &Worker, id: &ServiceId, name: &Arc<str>, namespace: &Arc<str>) -> Shared {
    let (name, namespace) = (name.clone(), namespace.clone());
    let unknown = ServiceLabels::unknown();
    // The address of a pod is no service, and labels are not to follow pods.
    let host = if id.host.parse::<IpAddr>().is_ok() { unknown.host } else { id.host.clone() };
    let labels = Arc::new(ServiceLabels { host, name, namespace });
    worker.recorder(path(worker, labels, Security::None))
}

/// How many endpoints a request is tried on. It is tried again only if nobody can have begun to
/// work on it, which is soon known; of a service that is scaled down most may be about to leave at
/// once.
pub const ATTEMPTS: usize = 6;
/// How long connecting to a pod by its own address may take.
const DIRECT_CONNECT: Duration = Duration::from_secs(5);
