//! A service as one of its callers sees it: routes, backends and what holds for each backend.
//!
//! All of it travels as one resource with one version, so that no half-applied route can ever be
//! seen. Where its endpoints are is a resource of its own: [`crate::endpoint`].

use std::{fmt, sync::Arc, time::Duration};

use litemap::LiteMap;

use crate::{
    decision::RolloutId,
    endpoint::{Endpoint, Readiness},
    revision::Revision,
    route::Route,
    weight::Weight,
};

/// A service's canonical name and port: `catalogue.shop.svc.cluster.local:8080`.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct ServiceId {
    /// The fully qualified host name, lower case, without a trailing dot.
    pub host: Arc<str>,
    /// The service port (not the target port).
    pub port: u16,
}

/// A service, its routes and the backends they name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// Which service this is.
    pub id: ServiceId,
    /// The Kubernetes name, for metric labels.
    pub name: Arc<str>,
    /// The Kubernetes namespace, for metric labels.
    pub namespace: Arc<str>,
    /// What the service's owner says it speaks.
    pub protocol: Protocol,
    /// In order of precedence: the first route that matches a request decides. None matching is a
    /// 404 if there is any route, and the service itself if there is none.
    pub routes: Vec<Route>,
    /// What holds for each backend that a route names, the service itself included.
    pub backends: Backends,
}

/// What a port speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Protocol {
    /// Nobody said: the proxy looks at the first bytes.
    #[default]
    Detect,
    /// HTTP/1.1 (and HTTP/2 where the client starts it).
    Http,
    /// HTTP/2 without TLS from the first byte, gRPC included.
    Http2,
    /// Opaque bytes.
    Tcp,
}

/// Backends by their ids: nearly always one, for which a tree would have room for eleven.
pub type Backends = LiteMap<ServiceId, Backend>;

/// What holds for traffic to one backend.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backend {
    /// The backend's Kubernetes name, for metric labels.
    pub name: Arc<str>,
    /// The backend's Kubernetes namespace, for metric labels.
    pub namespace: Arc<str>,
    /// How traffic is divided between revisions, while a rollout is on.
    pub split: Option<Split>,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
}

/// How a backend's traffic is divided between the revision on trial and all others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Split {
    /// The rollout that decides.
    pub rollout: RolloutId,
    /// The number of the decision; a proxy never returns to a lower one.
    pub decision: u64,
    /// The revision on trial.
    pub canary: Revision,
    /// What the canary gets.
    pub share: Share,
}

/// What a revision on trial gets of a backend's traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Share {
    /// This part of requests (of connections, for TCP).
    Weighted(Weight),
    /// The canary passed: its pods are endpoints like all others, gated or not.
    Joined,
}

/// Which side of a split an endpoint is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Group {
    /// All ready endpoints that are not of the canary revision.
    Base,
    /// Endpoints of the canary revision whose containers are ready.
    Canary,
}

impl ServiceId {
    /// The id of `host:port`, with the host in its canonical form.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.trim_end_matches('.').to_ascii_lowercase().into(), port }
    }
}

impl Backend {
    /// The group that `endpoint` serves in, or nothing if it must get no traffic.
    ///
    /// The base is every ready endpoint that is not of the canary revision, never "those of the
    /// stable revision": pods that no rollout knows about go on serving.
    #[must_use]
    pub fn group(&self, endpoint: &Endpoint) -> Option<Group> {
        let on_trial = |split: &Split| endpoint.revision.as_ref() == Some(&split.canary);
        match &self.split {
            Some(split) if on_trial(split) => match split.share {
                Share::Weighted(_) => Some(Group::Canary),
                Share::Joined => Some(Group::Base),
            },
            Some(_) | None => match endpoint.readiness {
                Readiness::Ready => Some(Group::Base),
                Readiness::Gated => None,
            },
        }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Protocol {
    /// The name used in configuration dumps.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::Tcp => "tcp",
        }
    }
}

#[cfg(test)]
mod tests;
