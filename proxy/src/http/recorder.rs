//! Series for exchanges between two known parties, looked up once per way that they end.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use model::{identity::SpiffeId, key::Key, resource::Resource};

use crate::{
    discovery::Answer,
    metrics::{
        Event, MessageSeries, RequestSeries, Shard, StreamSeries,
        labels::{
            Flags, MessageLabels, PathLabels, Peer, Reporter, RequestLabels, RequestProtocol,
        },
    },
    worker::Worker,
};

/// Counts what passes between two parties.
#[derive(Debug)]
pub struct Recorder {
    shard: Arc<Shard>,
    path: Arc<PathLabels>,
    requests: RefCell<Vec<(End, Arc<RequestSeries>)>>,
    messages: RefCell<Option<Arc<MessageSeries>>>,
}

/// How an exchange ended, as labels tell it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct End {
    /// HTTP or gRPC.
    pub protocol: RequestProtocol,
    /// The status; 0 if there was none.
    pub code: u16,
    /// gRPC's status.
    pub grpc_status: Option<u16>,
    /// What the proxy has to say.
    pub flags: Flags,
}

impl Recorder {
    /// A recorder for exchanges that `path` describes.
    #[must_use]
    pub const fn new(shard: Arc<Shard>, path: Arc<PathLabels>) -> Self {
        let requests = RefCell::new(Vec::new());
        Self { shard, path, requests, messages: RefCell::new(None) }
    }

    /// Between whom.
    #[must_use]
    pub const fn path(&self) -> &Arc<PathLabels> {
        &self.path
    }

    /// Counts a request that has ended.
    pub fn record(&self, end: End, took: Duration, request_bytes: u64, response_bytes: u64) {
        let held = self.requests.borrow();
        if let Some((_, series)) = held.iter().find(|(known, _)| *known == end)
            && series.is_kept()
        {
            return series.record(took, request_bytes, response_bytes);
        }
        drop(held);
        self.new_series(end).record(took, request_bytes, response_bytes);
    }

    /// Counts messages of gRPC that the client has sent.
    pub fn count_requests(&self, messages: u64) {
        if messages > 0 {
            self.messages().requests(messages);
        }
    }

    /// Counts messages of gRPC that the server has sent.
    pub fn count_responses(&self, messages: u64) {
        if messages > 0 {
            self.messages().responses(messages);
        }
    }

    fn messages(&self) -> Arc<MessageSeries> {
        let mut held = self.messages.borrow_mut();
        if let Some(series) = held.as_ref()
            && series.is_kept()
        {
            return Arc::clone(series);
        }
        let series = self.shard.messages(MessageLabels { path: Arc::clone(&self.path) });
        *held = Some(Arc::clone(&series));
        series
    }

    /// Counts an event.
    pub fn count(&self, event: Event) {
        self.shard.count(event);
    }

    /// The series of byte streams between the two.
    #[must_use]
    pub fn streams(&self) -> Arc<StreamSeries> {
        self.shard.streams(Arc::clone(&self.path))
    }

    fn new_series(&self, end: End) -> Arc<RequestSeries> {
        let mut held = self.requests.borrow_mut();
        held.retain(|(_, series)| series.is_kept());
        let End { protocol, code, grpc_status, flags } = end;
        let path = Arc::clone(&self.path);
        let series =
            self.shard.requests(RequestLabels { path, protocol, code, grpc_status, flags });
        if held.len() < ENDS {
            // Most have one or two.
            held.reserve_exact(1);
            held.push((end, Arc::clone(&series)));
        }
        series
    }
}

/// The other party of a path, whose names the control plane may be slow to tell: until it has, only
/// its certificate speaks for it. Nothing ever waits for names.
#[derive(Debug)]
pub struct Party {
    address: IpAddr,
    proven: Option<SpiffeId>,
    recorder: RefCell<Shared>,
    named: Cell<bool>,
    asked_at: Cell<Option<u64>>,
}

impl Party {
    /// The party at `address` that has proven to be `proven`, on a path of which the rest is known.
    #[must_use]
    pub fn new(
        worker: &Worker,
        path: PathLabels,
        address: IpAddr,
        proven: Option<SpiffeId>,
    ) -> Self {
        let peer = proven.as_ref().map(|id| Arc::new(Peer::from_identity(id)));
        let peer = peer.unwrap_or_else(Peer::nobody);
        let recorder = RefCell::new(worker.recorder(with_other(path, peer)));
        Self { address, proven, recorder, named: Cell::new(false), asked_at: Cell::new(None) }
    }

    /// What counts on the path to or from the party.
    #[must_use]
    pub fn recorder(&self, worker: &Rc<Worker>) -> Shared {
        if !self.named.get() {
            self.look_up_names(worker);
        }
        self.recorder.borrow().clone()
    }

    fn look_up_names(&self, worker: &Rc<Worker>) {
        let generation = worker.directory.generation();
        if self.asked_at.replace(Some(generation)) == Some(generation) {
            return;
        }
        let key = Key::Workload(self.address.to_canonical());
        match worker.plane.discovery.current(&key) {
            Some(Answer::Found(Resource::Workload(workload))) => {
                let peer = Arc::new(Peer::from_workload(&workload, self.proven.as_ref()));
                let path = with_other(PathLabels::clone(self.recorder.borrow().path()), peer);
                self.recorder.replace(worker.recorder(path));
                self.named.set(true);
            }
            Some(_) => {}
            None => worker.look_up_in_background(key),
        }
    }
}

fn with_other(path: PathLabels, peer: Arc<Peer>) -> PathLabels {
    match path.reporter {
        Reporter::Source => PathLabels { destination: peer, ..path },
        Reporter::Destination => PathLabels { source: peer, ..path },
    }
}

/// A recorder shared by everything that happens on its path.
pub type Shared = Rc<Recorder>;

/// How many ways to end are remembered; rarer ones are looked up each time.
const ENDS: usize = 32;
