//! The trust bundle, and the hashes by which bundles and issuers are recognised.

use bytes::Bytes;
use model::trust::{Anchor, Fingerprint, Trust};

use crate::{invalid::Problem, proto};

impl From<&Trust> for proto::Trust {
    fn from(Trust { decision, anchors }: &Trust) -> Self {
        let anchor = |Anchor(der): &Anchor| Bytes::copy_from_slice(der);
        Self { decision: *decision, anchors: anchors.iter().map(anchor).collect() }
    }
}

impl From<proto::Trust> for Trust {
    fn from(proto::Trust { decision, anchors }: proto::Trust) -> Self {
        Self { decision, anchors: anchors.into_iter().map(|der| Anchor(der.into())).collect() }
    }
}

pub(super) fn encode_fingerprint(Fingerprint(bytes): &Fingerprint) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

pub(super) fn decode_fingerprint(bytes: &[u8]) -> Result<Fingerprint, Problem> {
    match bytes.try_into() {
        Ok(bytes) => Ok(Fingerprint(bytes)),
        Err(_wrong_length) => Err(Problem::Fingerprint),
    }
}
