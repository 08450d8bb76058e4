//! What proxies count, and their certificates.

use model::revision::Revision;

use super::{
    address::{decode_revision, encode_revision},
    decision::decode_rollout,
    trust::{decode_fingerprint, encode_fingerprint},
};
use crate::{
    invalid::{At, Invalid, each},
    limit,
    message::{Leaf, Report, Row, Rows},
    proto,
};

impl From<&Report> for proto::Report {
    fn from(Report { rows, leaf }: &Report) -> Self {
        Self { rows: rows.iter().map(Into::into).collect(), leaf: leaf.map(Into::into) }
    }
}

impl TryFrom<proto::Report> for Report {
    type Error = Invalid;

    fn try_from(proto::Report { rows, leaf }: proto::Report) -> Result<Self, Invalid> {
        Ok(Self {
            rows: decode_rows(rows)?,
            leaf: leaf.map(Leaf::try_from).transpose().at("leaf")?,
        })
    }
}

fn decode_rows(rows: Vec<proto::Row>) -> Result<Vec<Row>, Invalid> {
    limit::many(rows, limit::ROWS).and_then(|rows| each(rows, Row::try_from)).at("rows")
}

impl From<&Row> for proto::Row {
    fn from(row: &Row) -> Self {
        let Row { rollout, revision, attempts, failures, first_failure_millis } = row;
        Self {
            rollout: rollout.to_string(),
            revision: encode_revision(revision.as_ref()),
            attempts: *attempts,
            failures: *failures,
            first_failure_millis: *first_failure_millis,
        }
    }
}

impl TryFrom<proto::Row> for Row {
    type Error = Invalid;

    fn try_from(row: proto::Row) -> Result<Self, Invalid> {
        let proto::Row { rollout, revision, attempts, failures, first_failure_millis } = row;
        let revision: Option<Revision> = decode_revision(revision).at("revision")?;
        let rollout = decode_rollout(&rollout).at("rollout")?;
        Ok(Self { rollout, revision, attempts, failures, first_failure_millis })
    }
}

impl From<Leaf> for proto::Leaf {
    fn from(Leaf { issuer, not_after }: Leaf) -> Self {
        Self { issuer: encode_fingerprint(&issuer), not_after_seconds: not_after }
    }
}

impl TryFrom<proto::Leaf> for Leaf {
    type Error = Invalid;

    fn try_from(leaf: proto::Leaf) -> Result<Self, Invalid> {
        let proto::Leaf { issuer, not_after_seconds } = leaf;
        let issuer = decode_fingerprint(&issuer).at("issuer")?;
        Ok(Self { issuer, not_after: not_after_seconds })
    }
}

impl From<&Rows> for proto::Rows {
    fn from(Rows { pod_uid, epoch, rows }: &Rows) -> Self {
        let pod_uid = super::address::text(pod_uid);
        Self { pod_uid, epoch: *epoch, rows: rows.iter().map(Into::into).collect() }
    }
}

impl TryFrom<proto::Rows> for Rows {
    type Error = Invalid;

    fn try_from(proto::Rows { pod_uid, epoch, rows }: proto::Rows) -> Result<Self, Invalid> {
        Ok(Self { pod_uid: limit::name(pod_uid).at("pod_uid")?, epoch, rows: decode_rows(rows)? })
    }
}
