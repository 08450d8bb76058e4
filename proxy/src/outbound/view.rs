//! A service as one worker uses it: routes and backends with everything a request needs looked up
//! beforehand. A view never changes; what changes makes a new one, which takes over what still
//! holds.

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
    identity::SpiffeId,
    route::{self, Route},
    service::{Backend, Group, Protocol, Service, ServiceId, Share},
    weight::Weight,
    workload::Workload,
};

use tokio::time::Instant;

use crate::{
    balance::{self, stride::Stride},
    http::{
        recorder::{Party, Shared},
        reply::Reason,
    },
    metrics::labels::{PathLabels, Peer, Reporter, Security, ServiceLabels},
    pool::{Endpoint, Transport},
    telemetry_rows::Row,
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
    backends: Vec<Rc<BackendView>>,
    /// One per route: which of its backends comes next.
    strides: Vec<Rc<Stride>>,
    generation: Cell<u64>,
    used: Cell<bool>,
}

/// A backend, its endpoints and their groups.
#[derive(Debug)]
pub struct BackendView {
    /// Which service it is.
    pub id: ServiceId,
    /// What the control plane says of its endpoints.
    pub endpoints: Arc<Endpoints>,
    /// Counts what came to no endpoint.
    pub recorder: Shared,
    base: Vec<Rc<Member>>,
    canary: Vec<Rc<Member>>,
    split: Option<SplitView>,
}

/// A split, and which side comes next.
#[derive(Debug)]
struct SplitView {
    weight: Weight,
    requests: Rc<Stride>,
    connections: Rc<Stride>,
    canary: Arc<Row>,
    base: Arc<Row>,
}

/// An endpoint as one backend has it.
#[derive(Debug)]
pub struct Member {
    /// Where it is and how it is reached.
    pub endpoint: Rc<Endpoint>,
    /// The row of its revision, while a rollout is on.
    pub row: Option<Arc<Row>>,
    party: Party,
}

/// What a side of a split is drawn for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Drawn {
    /// One request.
    Request,
    /// A connection and all its bytes.
    Connection,
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
        let labels = service_labels(&service.id, &service.name, &service.namespace);
        let recorder = worker.recorder(path(worker, labels, Security::None));
        let backends = endpoints.into_iter().filter_map(|(id, endpoints)| {
            let backend = service.backends.get(&id)?;
            let older = older.and_then(|older| older.backend(&id));
            Some(Rc::new(BackendView::new(worker, id, backend, &endpoints, older)))
        });
        let backends: Vec<Rc<BackendView>> = backends.collect();
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
        let backends = [(id.clone(), backend)].into();
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

impl BackendView {
    fn new(
        worker: &Rc<Worker>,
        id: ServiceId,
        backend: &Backend,
        endpoints: &Arc<Endpoints>,
        older: Option<&Rc<Self>>,
    ) -> Self {
        let labels = service_labels(&id, &backend.name, &backend.namespace);
        let held = older.and_then(|older| older.split.as_ref());
        let split = backend.split.as_ref().map(|split| SplitView {
            weight: match split.share {
                Share::Weighted(weight) => weight,
                Share::Joined => Weight::NONE,
            },
            requests: keep_or_start(worker, held.map(|held| &held.requests), ALL),
            connections: keep_or_start(worker, held.map(|held| &held.connections), ALL),
            canary: worker.plane.rows.row(&split.rollout, Some(&split.canary)),
            base: worker.plane.rows.row(&split.rollout, None),
        });
        let recorder = worker.recorder(path(worker, Arc::clone(&labels), Security::None));
        let (base, canary) = (Vec::new(), Vec::new());
        let mut view = Self { id, endpoints: Arc::clone(endpoints), recorder, base, canary, split };
        for endpoint in &endpoints.endpoints {
            let Some(group) = backend.group(endpoint) else { continue };
            let row = view.split.as_ref().zip(backend.split.as_ref()).map(|(rows, split)| {
                let on_trial = endpoint.revision.as_ref() == Some(&split.canary);
                Arc::clone(if on_trial { &rows.canary } else { &rows.base })
            });
            let member =
                Rc::new(Member::new(worker, endpoint, backend.connect_timeout, &labels, row));
            match group {
                Group::Base => view.base.push(member),
                Group::Canary => view.canary.push(member),
            }
        }
        view
    }

    /// Whether a rollout divides what is sent here.
    #[must_use]
    pub const fn is_split(&self) -> bool {
        self.split.is_some()
    }

    /// The side of the split that the next request goes to, or the next connection. They are told
    /// apart because a connection that turns out to carry requests must not take their place in the
    /// round. A canary without endpoints has failed, and its share goes to the base at once.
    #[must_use]
    pub fn draw(&self, what: Drawn) -> Group {
        let Some(split) = &self.split else { return Group::Base };
        let stride = match what {
            Drawn::Request => &split.requests,
            Drawn::Connection => &split.connections,
        };
        let point = u16::try_from(stride.next()).unwrap_or(u16::MAX);
        match route::falls_on_canary(split.weight, point) {
            true if self.canary.is_empty() => {
                split.canary.record(false);
                Group::Base
            }
            true => Group::Canary,
            false => Group::Base,
        }
    }

    /// The endpoint of `group` for an attempt. When the canary has none left that was not tried,
    /// the base has; the other way round would give the canary more than its share.
    #[must_use]
    pub fn pick(
        &self,
        worker: &Worker,
        group: Group,
        tried: &Tried,
        now: Instant,
    ) -> Option<Rc<Member>> {
        let pick = |members: &[Rc<Member>]| {
            let cost = |member: &Rc<Member>| member.endpoint.cost(now);
            let skip = |member: &Rc<Member>| tried.contains(member.endpoint.address);
            if tried.is_any() {
                return balance::pick_cheapest(members, &worker.dice, cost, skip).cloned();
            }
            balance::pick(members, &worker.dice, cost, skip).cloned()
        };
        match group {
            Group::Base => pick(&self.base),
            Group::Canary => pick(&self.canary).or_else(|| pick(&self.base)),
        }
    }

    /// Whether there is an endpoint of `group` left besides the one at `address`.
    #[must_use]
    pub fn has_others(&self, group: Group, tried: &Tried, address: SocketAddr) -> bool {
        let is_left = |member: &Rc<Member>| {
            let other = member.endpoint.address;
            other != address && !tried.contains(other)
        };
        match group {
            Group::Base => self.base.iter().any(is_left),
            Group::Canary => self.canary.iter().chain(&self.base).any(is_left),
        }
    }

    /// The row of one side of the split, while a rollout is on.
    #[must_use]
    pub fn row(&self, group: Group) -> Option<Arc<Row>> {
        let split = self.split.as_ref()?;
        Some(Arc::clone(match group {
            Group::Base => &split.base,
            Group::Canary => &split.canary,
        }))
    }
}

impl Member {
    fn new(
        worker: &Rc<Worker>,
        endpoint: &Address,
        connect_limit: Duration,
        service: &Arc<ServiceLabels>,
        row: Option<Arc<Row>>,
    ) -> Self {
        let Address { address, identity, .. } = endpoint;
        let (transport, security) = match identity {
            Some(id) => (Transport::Mesh(SpiffeId::clone(id)), Security::MutualTls),
            None => (Transport::Plain, Security::None),
        };
        let path = path(worker, Arc::clone(service), security);
        let party = Party::new(worker, path, address.ip(), identity.clone());
        let endpoint = worker.directory.endpoint(*address, transport);
        endpoint.connect_limit.set(connect_limit);
        Self { endpoint, row, party }
    }

    /// What counts on the way to it.
    #[must_use]
    pub fn recorder(&self, worker: &Rc<Worker>) -> Shared {
        self.party.recorder(worker)
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
    let (source, destination) = (Arc::clone(&worker.plane.local), Arc::new(Peer::unknown()));
    PathLabels { reporter: Reporter::Source, source, destination, service, security }
}

fn service_labels(id: &ServiceId, name: &Arc<str>, namespace: &Arc<str>) -> Arc<ServiceLabels> {
    let (name, namespace) = (name.clone(), namespace.clone());
    let unknown = ServiceLabels::unknown();
    // The address of a pod is no service, and labels are not to follow pods.
    let host = if id.host.parse::<IpAddr>().is_ok() { unknown.host } else { id.host.clone() };
    Arc::new(ServiceLabels { host, name, namespace })
}

/// How many endpoints a request is tried on. It is tried again only if nobody can have begun to
/// work on it, which is soon known; of a service that is scaled down most may be about to leave at
/// once.
pub const ATTEMPTS: usize = 6;
/// How long connecting to a pod by its own address may take.
const DIRECT_CONNECT: Duration = Duration::from_secs(5);
/// A round of a split: one point per basis point.
const ALL: u64 = Weight::ALL.basis_points() as u64;
