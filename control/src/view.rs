//! The seam between compiling and serving: what a session may ask of the newest snapshot.
//!
//! The index task publishes a [`View`] whole; sessions read it and never see a half of one. Nothing
//! is published before every initial list of the cluster is complete, so that an absence in a view
//! means that there is nothing.

use std::{fmt, net::IpAddr, sync::Arc};

use model::{identity::SpiffeId, key::Key, resource::Resource};
use tokio::sync::watch;

/// The newest view. Until the first one is there, the process is not ready and serves no session.
pub type Views = watch::Receiver<Arc<dyn View>>;

/// Everything a proxy can be told, at one moment of the cluster.
pub trait View: fmt::Debug + Send + Sync {
    /// What `asker` is told under `key`; nothing means that there is nothing.
    ///
    /// Called for every key of every session after every change, so it only looks up. Content that
    /// has not changed since the last view is the same `Arc`: that is how sessions tell that there
    /// is nothing to do.
    fn resolve(&self, asker: &Asker, key: &Key) -> Option<Resource>;

    /// The pod with this uid, as the API server knows it.
    fn pod(&self, uid: &str) -> Option<PodFacts>;
}

/// Who asks. Made from what the pod's token and certificate prove, and from the pod itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asker {
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod's uid.
    pub pod_uid: Arc<str>,
    /// The pod's name.
    pub pod_name: Arc<str>,
    /// The pod's addresses; empty while control has not seen the pod yet.
    pub addresses: Vec<IpAddr>,
    /// The identity in the pod's certificate.
    pub identity: SpiffeId,
}

/// What sessions need to know of a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PodFacts {
    /// The pod's name.
    pub name: Arc<str>,
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod's service account.
    pub service_account: Arc<str>,
    /// The pod's addresses.
    pub addresses: Vec<IpAddr>,
}
