//! Resources as bytes. A resource is encoded once, however many proxies it goes to; the hash of the
//! bytes is its version, so that two control planes that say the same give it the same version.

use bytes::Bytes;
use model::{
    key::{Key, Version},
    resource::{Destination, Resource},
};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::{
    convert,
    invalid::{Invalid, Problem},
    limit, proto,
};

/// A resource, encoded. Cloning it shares the bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Encoded {
    /// The hash of the bytes.
    pub version: Version,
    /// [`Resource::decision`].
    pub decision: u64,
    bytes: Bytes,
}

/// The version of `resource`, and the bytes it is the hash of.
#[must_use]
pub fn version_of(resource: &Resource) -> (Version, Bytes) {
    let bytes = Bytes::from(proto::Resource::from(resource).encode_to_vec());
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    (Version(u64::from_be_bytes([a, b, c, d, e, f, g, h])), bytes)
}

impl Encoded {
    /// Encodes `resource`.
    ///
    /// # Errors
    /// If it does not fit into a message: it would reach nobody.
    pub fn new(resource: &Resource) -> Result<Self, Invalid> {
        let (version, bytes) = version_of(resource);
        if bytes.len() > LONGEST {
            return Err(Problem::TooLong { bytes: bytes.len(), most: LONGEST }.into());
        }
        Ok(Self { version, decision: resource.decision(), bytes })
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The resource again.
    ///
    /// # Errors
    /// Never for what [`Encoded::new`] made, except by a bug of ours.
    pub fn decode(&self) -> Result<Resource, Invalid> {
        convert::resource::decode(&self.bytes)
    }

    /// The bytes, to be sent.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Refuses a body that is not of the kind that `key` asks for.
pub(crate) fn check_kind(key: &Key, resource: &Resource) -> Result<(), Invalid> {
    let (fits, kind) = match resource {
        Resource::Destination(Destination::Service(_)) => {
            (matches!(key, Key::Address(_) | Key::Host(_)), "service's name")
        }
        Resource::Destination(Destination::Workload) => {
            (matches!(key, Key::Address(_)), "workload's address")
        }
        Resource::Service(service) => {
            (matches!(key, Key::Service(id) if *id == service.id), "service")
        }
        Resource::Endpoints(endpoints) => {
            (matches!(key, Key::Endpoints(id) if *id == endpoints.id), "list of endpoints")
        }
        Resource::Workload(workload) => {
            (matches!(key, Key::Workload(ip) if *ip == workload.address), "workload")
        }
        Resource::Inbound(_) => (*key == Key::Inbound, "workload's own policy"),
        Resource::Trust(_) => (*key == Key::Trust, "trust bundle"),
        Resource::Mesh(_) => (*key == Key::Mesh, "set of mesh defaults"),
    };
    if fits { Ok(()) } else { Err(Problem::Kind(kind).into()) }
}

/// A message's bound, less the room for the key and the numbers beside the body.
const LONGEST: usize = limit::MESSAGE_BYTES - 4096;
