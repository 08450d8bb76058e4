//! What a rotation is decided by.

use std::time::Duration;

use crate::{acks::Census, moment::Moment, trust::Fingerprint};

/// What a user wants of rotations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    /// `spec.ca.rotation.requestedAt`.
    pub requested_at: Option<Moment>,
    /// `spec.ca.rotation.abortRequestedAt`: the request that is to be taken back.
    pub abort_requested_at: Option<Moment>,
    /// How long before a root expires another takes its place by itself; never if absent.
    pub before_expiry: Option<Duration>,
    /// How many live proxies a phase need not wait for.
    pub max_unsynced: u32,
}

/// What was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Now, in Unix milliseconds (decision numbers start from it).
    pub now: Moment,
    /// The authority that signed when the rotation began, or that signs while there is none.
    pub active: Authority,
    /// The one that was made to follow it.
    pub next: Option<Authority>,
    /// When the active root was made. A request from before is not one to replace it.
    pub active_made: Moment,
    /// When the active root expires.
    pub active_expires: Moment,
    /// Whether everything that this state asked for lies in the cluster: the record, the Secret
    /// that control signs with, and the bundle in every namespace.
    pub applied: bool,
    /// The live proxies, and what each holds; the operator itself is one, since it too has a leaf.
    /// Absent while not every control replica has told all it knows.
    pub proxies: Option<Census<Held>>,
    /// The control replicas, and the issuer of the certificate that each serves with. Absent while
    /// one of them cannot be asked.
    pub control: Option<Census<Option<Fingerprint>>>,
    /// The highest number heard of a bundle.
    pub heard: u64,
}

/// An authority, as others recognise it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Authority {
    /// The root's fingerprint.
    pub root: Fingerprint,
    /// The fingerprint of the certificate that signs in the root's name.
    pub issuer: Fingerprint,
}

/// What a proxy holds, as far as is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Held {
    /// The bundle that it acknowledged last.
    pub bundle: Option<Fingerprint>,
    /// The issuer of its leaf.
    pub issuer: Option<Fingerprint>,
}
