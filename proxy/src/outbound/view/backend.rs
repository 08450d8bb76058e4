//! A backend as one worker uses it. What is needed to send to one of its endpoints is made when the
//! endpoint is first thought of: of a service with many, a pod that calls it now and then needs
//! few.

use std::{cell::OnceCell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use model::{
    endpoint::{Endpoint as Address, Endpoints},
    identity::SpiffeId,
    revision::Revision,
    route,
    service::{Backend, Group, ServiceId, Share},
    weight::Weight,
};
use tokio::time::Instant;

use super::{Tried, keep_or_start, path};
use crate::{
    balance::{self, Load, stride::Stride},
    http::recorder::{Party, Shared},
    metrics::labels::Security,
    pool::{Endpoint, Transport},
    telemetry_rows::Row,
    worker::Worker,
};

/// A backend, its endpoints and their groups.
#[derive(Debug)]
pub struct BackendView {
    /// Which service it is.
    pub id: ServiceId,
    /// What the control plane says of its endpoints.
    pub endpoints: Arc<Endpoints>,
    /// Counts what came to no endpoint.
    pub recorder: Shared,
    connect_limit: Duration,
    /// What is known of endpoints of which nothing is.
    fresh: Rc<Load>,
    base: Box<[Slot]>,
    canary: Box<[Slot]>,
    split: Option<Box<SplitView>>,
}

/// A split, and which side comes next.
#[derive(Debug)]
struct SplitView {
    on_trial: Revision,
    weight: Weight,
    requests: Rc<Stride>,
    connections: Rc<Stride>,
    canary: Arc<Row>,
    base: Arc<Row>,
}

/// An endpoint of a group, by its place among all.
#[derive(Debug)]
struct Slot {
    index: u32,
    member: OnceCell<Rc<Member>>,
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

impl BackendView {
    pub(super) fn new(
        worker: &Worker,
        id: ServiceId,
        backend: &Backend,
        endpoints: &Arc<Endpoints>,
        recorder: Shared,
        older: Option<&Rc<Self>>,
    ) -> Self {
        let held = older.and_then(|older| older.split.as_ref());
        let split = backend.split.as_ref().map(|split| {
            Box::new(SplitView {
                on_trial: split.canary.clone(),
                weight: match split.share {
                    Share::Weighted(weight) => weight,
                    Share::Joined => Weight::NONE,
                },
                requests: keep_or_start(worker, held.map(|held| &held.requests), ALL),
                connections: keep_or_start(worker, held.map(|held| &held.connections), ALL),
                canary: worker.plane.rows.row(&split.rollout, Some(&split.canary)),
                base: worker.plane.rows.row(&split.rollout, None),
            })
        });
        // What nobody has tried does not become less attractive when others change.
        let fresh = older.map(|older| Rc::clone(&older.fresh));
        let fresh = fresh.unwrap_or_else(|| Rc::new(Load::new(Instant::now())));
        let slots = |wanted: Group| {
            let all = (0..).zip(&endpoints.endpoints);
            let of_group = all.filter(|(_, endpoint)| backend.group(endpoint) == Some(wanted));
            of_group.map(|(index, _)| Slot { index, member: OnceCell::new() }).collect()
        };
        let view = Self {
            id,
            endpoints: Arc::clone(endpoints),
            recorder,
            connect_limit: backend.connect_timeout,
            fresh,
            base: slots(Group::Base),
            canary: slots(Group::Canary),
            split,
        };
        view.take_over(worker);
        view
    }

    /// Takes over what the worker has of its endpoints, which is forgotten where nobody has it.
    fn take_over(&self, worker: &Worker) {
        for slot in self.base.iter().chain(&self.canary) {
            if self.address(slot).is_some_and(|it| knows(worker, it)) {
                self.member(worker, slot);
            }
        }
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
        let pick = |slots: &[Slot]| {
            let cost = |slot: &Slot| self.cost(worker, slot, now);
            let skip = |slot: &Slot| tried.is_any() && self.is_tried(slot, tried);
            let slot = if tried.is_any() {
                balance::pick_cheapest(slots, &worker.dice, cost, skip)
            } else {
                balance::pick(slots, &worker.dice, cost, skip)
            };
            self.member(worker, slot?).cloned()
        };
        match group {
            Group::Base => pick(&self.base),
            Group::Canary => pick(&self.canary).or_else(|| pick(&self.base)),
        }
    }

    /// Whether there is an endpoint of `group` left besides the one at `address`.
    #[must_use]
    pub fn has_others(&self, group: Group, tried: &Tried, address: SocketAddr) -> bool {
        let is_left = |slot: &Slot| {
            let is_it = self.address(slot).is_some_and(|other| other.address == address);
            !is_it && !self.is_tried(slot, tried)
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

    /// What a request to an endpoint costs, which need not be made to know that.
    fn cost(&self, worker: &Worker, slot: &Slot, now: Instant) -> f64 {
        let is_fresh = || self.address(slot).is_none_or(|it| !knows(worker, it));
        if slot.member.get().is_none() && is_fresh() {
            return self.fresh.cost(now);
        }
        self.member(worker, slot).map_or(f64::MAX, |member| member.endpoint.cost(now))
    }

    fn address(&self, slot: &Slot) -> Option<&Address> {
        self.endpoints.endpoints.get(slot.index as usize)
    }

    fn is_tried(&self, slot: &Slot, tried: &Tried) -> bool {
        self.address(slot).is_none_or(|endpoint| tried.contains(endpoint.address))
    }

    fn member<'a>(&self, worker: &Worker, slot: &'a Slot) -> Option<&'a Rc<Member>> {
        if slot.member.get().is_none() {
            let made = Member::new(worker, self, self.address(slot)?);
            return Some(slot.member.get_or_init(|| Rc::new(made)));
        }
        slot.member.get()
    }
}

impl Member {
    fn new(worker: &Worker, backend: &BackendView, address: &Address) -> Self {
        let security = match address.identity {
            Some(_) => Security::MutualTls,
            None => Security::None,
        };
        let path = path(worker, Arc::clone(&backend.recorder.path().service), security);
        let party = Party::new(worker, path, address.address.ip(), address.identity.clone());
        let endpoint = worker.directory.endpoint(address.address, transport(address));
        endpoint.connect_limit.set(backend.connect_limit);
        let row = backend.split.as_ref().map(|split| {
            let is_on_trial = address.revision.as_ref() == Some(&split.on_trial);
            Arc::clone(if is_on_trial { &split.canary } else { &split.base })
        });
        Self { endpoint, row, party }
    }

    /// What counts on the way to it.
    #[must_use]
    pub fn recorder(&self, worker: &Rc<Worker>) -> Shared {
        self.party.recorder(worker)
    }
}

fn knows(worker: &Worker, endpoint: &Address) -> bool {
    worker.directory.knows(endpoint.address, transport(endpoint))
}

fn transport(endpoint: &Address) -> Transport {
    endpoint.identity.as_ref().map_or(Transport::Plain, |id| Transport::Mesh(SpiffeId::clone(id)))
}

/// A round of a split: one point per basis point.
const ALL: u64 = Weight::ALL.basis_points() as u64;
