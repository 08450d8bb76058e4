//! Everything that travels on a stream, in types of the model. `proto/discovery.proto` says what
//! each means.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    decision::{Decision, RolloutId},
    key::{Key, Version},
    resource::Resource,
    revision::Revision,
    trust::{Fingerprint, Trust},
};

/// From a proxy to control.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToControl {
    /// Who the proxy is: the first message of a stream.
    Hello(Hello),
    /// Asks for keys.
    Subscribe(Vec<Held>),
    /// Asks no longer for keys.
    Unsubscribe(Vec<Key>),
    /// A version is in use.
    Ack(Ack),
    /// A version cannot be used.
    Nack(Nack),
    /// What the proxy counted, and the heartbeat.
    Report(Report),
}

/// From control to a proxy. Control sends bodies [encoded](crate::Encoded), proxies get them as
/// resources.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FromControl<Body = Resource> {
    /// What is under a key.
    Push(Push<Body>),
    /// There is nothing under a key now.
    Absent(Key),
    /// How the proxy is to behave on this stream.
    Settings(Settings),
}

/// Who a proxy is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hello {
    /// The pod's uid.
    pub pod_uid: Arc<str>,
    /// The pod's name.
    pub pod_name: Arc<str>,
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The proxy's version.
    pub version: Arc<str>,
    /// Unix milliseconds of the process' start: tells two lives of one pod's proxy apart.
    pub epoch: u64,
    /// What the proxy can enforce: [`crate::capability::SUPPORTED`].
    pub capabilities: Vec<Arc<str>>,
    /// A projected service-account token with audience `serin`.
    pub token: Token,
}

/// A secret that is not printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(pub String);

/// A key asked for, and what is still held of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// What is asked for.
    pub key: Key,
    /// What is held; nothing on the first request.
    pub version: Option<Version>,
    /// The decision number of what is held.
    pub decision: u64,
    /// For a service: the decision held of each rollout, since numbers of different rollouts cannot
    /// be compared.
    pub rollouts: Vec<HeldDecision>,
}

/// A version is in use: everything it names is held, and every worker has swapped to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ack {
    /// Of what.
    pub key: Key,
    /// Which version.
    pub version: Version,
    /// Its decision number.
    pub decision: u64,
}

/// A version cannot be used; what was held before stays in use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nack {
    /// Of what.
    pub key: Key,
    /// Which version.
    pub version: Version,
    /// Why, for people; cut to 1024 bytes.
    pub reason: String,
}

/// What a proxy counted; also the stream's heartbeat.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// One per rollout and revision.
    pub rows: Vec<Row>,
    /// The leaf in use.
    pub leaf: Option<Leaf>,
}

/// What can be told of a proxy's certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leaf {
    /// Of the issuer's certificate.
    pub issuer: Fingerprint,
    /// Unix time in seconds.
    pub not_after: u64,
}

/// Attempts of one proxy at one side of a rollout, counted since its epoch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// The rollout.
    pub rollout: RolloutId,
    /// The revision; nothing is any revision that is not the canary.
    pub revision: Option<Revision>,
    /// How many attempts.
    pub attempts: u64,
    /// How many of them failed.
    pub failures: u64,
    /// Unix milliseconds of the first failure; 0 if there was none.
    pub first_failure_millis: u64,
}

/// What is under a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Push<Body = Resource> {
    /// Which key.
    pub key: Key,
    /// The version of the body.
    pub version: Version,
    /// The decision number of the body.
    pub decision: u64,
    /// The resource.
    pub body: Body,
}

/// A push that a proxy cannot read. What it held before stays in use, and the push is nacked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejected {
    /// Of what.
    pub key: Key,
    /// Which version.
    pub version: Version,
    /// What is wrong with it.
    pub invalid: crate::invalid::Invalid,
}

/// How a proxy is to behave on this stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How often it reports.
    pub report_interval: Duration,
    /// Who signs leaves now, if control says so. A proxy whose leaf another one signed renews it.
    pub issuer: Option<Fingerprint>,
}

/// From the operator to a replica: the whole set of decisions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ToReplica {
    /// What is absent is over.
    pub decisions: Vec<Decision>,
    /// Rollouts whose decision was sent and could not be read: what was known of them stays. Never
    /// sent.
    pub unreadable: Vec<RolloutId>,
}

/// From a replica to the operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FromReplica {
    /// What the replica knows of one proxy.
    Proxy(ProxyState),
    /// The proxy of the pod with this uid is no longer connected here.
    Gone(Arc<str>),
    /// What one proxy counted.
    Rows(Rows),
    /// Everything known when the stream opened has been sent.
    Synced,
    /// Sent every second.
    Heartbeat,
}

/// What one replica knows of one proxy that is, or was a moment ago, connected to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyState {
    /// The pod's uid.
    pub pod_uid: Arc<str>,
    /// The pod's name.
    pub pod_name: Arc<str>,
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The proxy's version.
    pub version: Arc<str>,
    /// The process' start: [`Hello::epoch`].
    pub epoch: u64,
    /// How long the proxy has not been heard of.
    pub silent: Duration,
    /// Keys subscribed to.
    pub subscribed: u32,
    /// Keys of which the newest version is acked.
    pub acked: u32,
    /// Some of the keys that are not, for people.
    pub stale_keys: Vec<Arc<str>>,
    /// The trust bundle last acked.
    pub trust: Option<Fingerprint>,
    /// The leaf in use.
    pub leaf: Option<Leaf>,
    /// The rollouts whose services the proxy is subscribed to.
    pub decisions: Vec<HeldDecision>,
}

/// A rollout, and the decision about it that a proxy uses; 0 if it uses none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeldDecision {
    /// The rollout.
    pub rollout: RolloutId,
    /// The decision in use.
    pub acked: u64,
}

/// What one proxy counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rows {
    /// The pod's uid.
    pub pod_uid: Arc<str>,
    /// The process' start: counts of different epochs add up, counts of one do not.
    pub epoch: u64,
    /// The counts.
    pub rows: Vec<Row>,
}

/// Asks for a workload certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignRequest {
    /// A certificate signing request in DER: only its public key and its signature count.
    pub csr: Bytes,
    /// A projected service-account token with audience `serin`.
    pub token: Token,
}

/// A workload certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignResponse {
    /// DER certificates, leaf first, without the root.
    pub chain: Vec<Bytes>,
    /// The trust bundle of the moment.
    pub trust: Trust,
}

impl Held {
    /// A key of which nothing is held yet.
    #[must_use]
    pub const fn nothing(key: Key) -> Self {
        Self { key, version: None, decision: 0, rollouts: Vec::new() }
    }

    /// A key of which `resource` is held.
    #[must_use]
    pub fn resource(key: Key, version: Version, resource: &Resource) -> Self {
        let rollouts = resource.rollouts().into_iter();
        let rollouts = rollouts.map(|(rollout, acked)| HeldDecision { rollout, acked }).collect();
        Self { key, version: Some(version), decision: resource.decision(), rollouts }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}
