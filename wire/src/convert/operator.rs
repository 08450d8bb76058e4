//! Messages between the operator and a replica.

use std::{sync::Arc, time::Duration};

use model::decision::Decision;
use proto::from_replica::Message;

use super::{
    address::text,
    decision::decode_rollout,
    service::encode_millis,
    trust::{decode_fingerprint, encode_fingerprint},
};
use crate::{
    invalid::{At, Invalid, each, required},
    limit,
    message::{FromReplica, HeldDecision, Leaf, ProxyState, Rows, ToReplica},
    proto,
};

pub(crate) fn encode_to(ToReplica { decisions, unreadable: _ }: &ToReplica) -> proto::ToReplica {
    proto::ToReplica { decisions: decisions.iter().map(Into::into).collect() }
}

/// The decisions, and what is wrong with those that cannot be read. Where the rollout at least is
/// known, it is named in `unreadable`: a decision that is not understood must not look like one
/// that is over.
pub(crate) fn decode_to(
    proto::ToReplica { decisions }: proto::ToReplica,
) -> Result<(ToReplica, Vec<Invalid>), Invalid> {
    let decisions = limit::many(decisions, limit::DECISIONS).at("decisions")?;
    let (mut set, mut rejected) = (ToReplica::default(), Vec::new());
    for (place, decision) in decisions.into_iter().enumerate() {
        let rollout = decode_rollout(&decision.rollout);
        match Decision::try_from(decision).at(&format!("decisions[{place}]")) {
            Ok(decision) => set.decisions.push(decision),
            Err(invalid) => {
                set.unreadable.extend(rollout);
                rejected.push(invalid);
            }
        }
    }
    Ok((set, rejected))
}

pub(crate) fn encode_from(message: &FromReplica) -> proto::FromReplica {
    let message = match message {
        FromReplica::Proxy(state) => Message::Proxy(state.into()),
        FromReplica::Gone(pod_uid) => Message::Gone(proto::ProxyGone { pod_uid: text(pod_uid) }),
        FromReplica::Rows(rows) => Message::Rows(rows.into()),
        FromReplica::Synced => Message::Synced(proto::Unit {}),
        FromReplica::Heartbeat => Message::Heartbeat(proto::Unit {}),
    };
    proto::FromReplica { message: Some(message) }
}

pub(crate) fn decode_from(
    proto::FromReplica { message }: proto::FromReplica,
) -> Result<FromReplica, Invalid> {
    Ok(match required(message)? {
        Message::Proxy(state) => FromReplica::Proxy(ProxyState::try_from(state).at("proxy")?),
        Message::Gone(proto::ProxyGone { pod_uid }) => {
            FromReplica::Gone(limit::name(pod_uid).at("gone.pod_uid")?)
        }
        Message::Rows(rows) => FromReplica::Rows(Rows::try_from(rows).at("rows")?),
        Message::Synced(proto::Unit {}) => FromReplica::Synced,
        Message::Heartbeat(proto::Unit {}) => FromReplica::Heartbeat,
    })
}

impl From<&ProxyState> for proto::ProxyState {
    fn from(state: &ProxyState) -> Self {
        Self {
            pod_uid: text(&state.pod_uid),
            pod_name: text(&state.pod_name),
            namespace: text(&state.namespace),
            version: text(&state.version),
            epoch: state.epoch,
            silent_millis: encode_millis(state.silent),
            subscribed: state.subscribed,
            acked: state.acked,
            stale_keys: state.stale_keys.iter().take(limit::STALE_KEYS).map(text).collect(),
            trust: state.trust.as_ref().map(encode_fingerprint).unwrap_or_default(),
            leaf: state.leaf.map(Into::into),
            decisions: state.decisions.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<proto::ProxyState> for ProxyState {
    type Error = Invalid;

    fn try_from(state: proto::ProxyState) -> Result<Self, Invalid> {
        let stale =
            |key: String| -> Result<Arc<str>, Invalid> { limit::text(key, limit::QUALIFIED_NAME) };
        let trust = (!state.trust.is_empty()).then(|| decode_fingerprint(&state.trust));
        Ok(Self {
            pod_uid: limit::name(state.pod_uid).at("pod_uid")?,
            pod_name: limit::name(state.pod_name).at("pod_name")?,
            namespace: limit::name(state.namespace).at("namespace")?,
            version: limit::name(state.version).at("version")?,
            epoch: state.epoch,
            silent: Duration::from_millis(state.silent_millis),
            subscribed: state.subscribed,
            acked: state.acked,
            stale_keys: limit::many(state.stale_keys, limit::STALE_KEYS)
                .and_then(|keys| each(keys, stale))
                .at("stale_keys")?,
            trust: trust.transpose().at("trust")?,
            leaf: state.leaf.map(Leaf::try_from).transpose().at("leaf")?,
            decisions: limit::many(state.decisions, limit::KEYS)
                .and_then(|held| each(held, HeldDecision::try_from))
                .at("decisions")?,
        })
    }
}
