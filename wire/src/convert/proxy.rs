//! Messages between proxies and control.

use std::time::Duration;

use bytes::Bytes;
use model::key::{Key, Version};
use proto::{from_control::Message as From, to_control::Message as To};

use super::{
    address::text,
    key,
    service::encode_millis,
    sign::decode_token,
    trust::{decode_fingerprint, encode_fingerprint},
};
use crate::{
    body,
    invalid::{At, Invalid, each, required, sift},
    limit,
    message::{
        Ack, FromControl, Held, HeldDecision, Hello, Nack, Push, Rejected, Report, Settings,
        ToControl, Token,
    },
    proto,
};

pub(crate) fn encode_to(message: &ToControl) -> proto::ToControl {
    let keys = |keys: &[Key]| keys.iter().map(Into::into).collect();
    let message = match message {
        ToControl::Hello(hello) => To::Hello(hello.into()),
        ToControl::Subscribe(held) => {
            To::Subscribe(proto::Subscribe { keys: held.iter().map(Into::into).collect() })
        }
        ToControl::Unsubscribe(gone) => To::Unsubscribe(proto::Unsubscribe { keys: keys(gone) }),
        ToControl::Ack(Ack { key, version, decision }) => {
            To::Ack(proto::Ack { key: Some(key.into()), version: version.0, decision: *decision })
        }
        ToControl::Nack(Nack { key, version, reason }) => To::Nack(proto::Nack {
            key: Some(key.into()),
            version: version.0,
            reason: limit::cut(reason, limit::REASON).to_owned(),
        }),
        ToControl::Report(report) => To::Report(report.into()),
    };
    proto::ToControl { message: Some(message) }
}

/// What a proxy said, and what of it cannot be read: a key that is not understood harms no other.
pub(crate) fn decode_to(
    proto::ToControl { message }: proto::ToControl,
) -> (Option<ToControl>, Vec<Invalid>) {
    let single = |message: Result<ToControl, Invalid>| match message {
        Ok(message) => (Some(message), Vec::new()),
        Err(invalid) => (None, vec![invalid]),
    };
    match required(message) {
        Err(invalid) => (None, vec![invalid]),
        Ok(To::Hello(hello)) => single(hello.try_into().map(ToControl::Hello).at("hello")),
        Ok(To::Ack(ack)) => single(ack.try_into().map(ToControl::Ack).at("ack")),
        Ok(To::Nack(nack)) => single(nack.try_into().map(ToControl::Nack).at("nack")),
        Ok(To::Report(it)) => single(Report::try_from(it).map(ToControl::Report).at("report")),
        Ok(To::Subscribe(proto::Subscribe { keys })) => match limit::many(keys, limit::KEYS) {
            Ok(keys) => some(sift(keys, "subscribe.keys", Held::try_from), ToControl::Subscribe),
            Err(invalid) => single(Err(invalid).at("subscribe.keys")),
        },
        Ok(To::Unsubscribe(proto::Unsubscribe { keys })) => match limit::many(keys, limit::KEYS) {
            Ok(keys) => some(sift(keys, "unsubscribe.keys", Key::try_from), ToControl::Unsubscribe),
            Err(invalid) => single(Err(invalid).at("unsubscribe.keys")),
        },
    }
}

fn some<T>(
    (good, rejected): (Vec<T>, Vec<Invalid>),
    message: impl Fn(Vec<T>) -> ToControl,
) -> (Option<ToControl>, Vec<Invalid>) {
    ((!good.is_empty()).then(|| message(good)), rejected)
}

pub(crate) fn encode_from(message: FromControl<crate::Encoded>) -> proto::FromControl {
    let message = match message {
        FromControl::Push(Push { key, version, decision, body }) => From::Push(proto::Push {
            key: Some((&key).into()),
            version: version.0,
            decision,
            body: body.into_bytes(),
        }),
        FromControl::Absent(key) => From::Absent(proto::Absent { key: Some((&key).into()) }),
        FromControl::Settings(Settings { report_interval, issuer }) => {
            let millis = u32::try_from(encode_millis(report_interval)).unwrap_or(u32::MAX);
            let issuer = issuer.as_ref().map(encode_fingerprint).unwrap_or_default();
            From::Settings(proto::Settings { report_interval_millis: millis, issuer })
        }
    };
    proto::FromControl { message: Some(message) }
}

/// Why a message of control is not followed.
pub(crate) enum Unfit {
    /// It says what it is about, so that it can be nacked.
    Body(Rejected),
    /// It does not even say that.
    Message(Invalid),
}

impl std::convert::From<Invalid> for Unfit {
    fn from(invalid: Invalid) -> Self {
        Self::Message(invalid)
    }
}

pub(crate) fn decode_from(
    proto::FromControl { message }: proto::FromControl,
) -> Result<FromControl, Unfit> {
    Ok(match required(message)? {
        From::Push(push) => FromControl::Push(decode_push(push)?),
        From::Absent(proto::Absent { key }) => FromControl::Absent(key::decode(key).at("absent")?),
        From::Settings(proto::Settings { report_interval_millis: millis, issuer }) => {
            let report_interval = Duration::from_millis(millis.into());
            let issuer = (!issuer.is_empty()).then(|| decode_fingerprint(&issuer));
            let issuer = issuer.transpose().at("settings.issuer")?;
            FromControl::Settings(Settings { report_interval, issuer })
        }
    })
}

fn decode_push(push: proto::Push) -> Result<Push, Unfit> {
    let proto::Push { key, version, decision, body } = push;
    let key = key::decode(key).at("push")?;
    let version = Version(version);
    match decode_body(&key, &body) {
        Ok(body) => Ok(Push { key, version, decision, body }),
        Err(invalid) => Err(Unfit::Body(Rejected { key, version, invalid })),
    }
}

fn decode_body(key: &Key, body: &Bytes) -> Result<model::resource::Resource, Invalid> {
    let resource = super::resource::decode(body)?;
    body::check_kind(key, &resource)?;
    Ok(resource)
}

impl std::convert::From<&Hello> for proto::Hello {
    fn from(hello: &Hello) -> Self {
        let Hello { pod_uid, pod_name, namespace, version, epoch, capabilities, token } = hello;
        let Token(token) = token;
        Self {
            pod_uid: text(pod_uid),
            pod_name: text(pod_name),
            namespace: text(namespace),
            version: text(version),
            epoch: *epoch,
            capabilities: capabilities.iter().map(text).collect(),
            token: token.clone(),
        }
    }
}

impl TryFrom<proto::Hello> for Hello {
    type Error = Invalid;

    fn try_from(hello: proto::Hello) -> Result<Self, Invalid> {
        let capabilities = limit::many(hello.capabilities, limit::CAPABILITIES);
        Ok(Self {
            pod_uid: limit::name(hello.pod_uid).at("pod_uid")?,
            pod_name: limit::name(hello.pod_name).at("pod_name")?,
            namespace: limit::name(hello.namespace).at("namespace")?,
            version: limit::name(hello.version).at("version")?,
            epoch: hello.epoch,
            capabilities: capabilities
                .and_then(|names| each(names, limit::name))
                .at("capabilities")?,
            token: decode_token(hello.token).at("token")?,
        })
    }
}

impl std::convert::From<&Held> for proto::Held {
    fn from(Held { key, version, decision, rollouts }: &Held) -> Self {
        Self {
            key: Some(key.into()),
            version: version.map_or(0, |Version(version)| version),
            decision: *decision,
            rollouts: rollouts.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<proto::Held> for Held {
    type Error = Invalid;

    fn try_from(
        proto::Held { key, version, decision, rollouts }: proto::Held,
    ) -> Result<Self, Invalid> {
        let rollouts = limit::many(rollouts, limit::CAPABILITIES);
        Ok(Self {
            key: key::decode(key)?,
            version: (version != 0).then_some(Version(version)),
            decision,
            rollouts: rollouts
                .and_then(|rollouts| each(rollouts, HeldDecision::try_from))
                .at("rollouts")?,
        })
    }
}

impl TryFrom<proto::Ack> for Ack {
    type Error = Invalid;

    fn try_from(proto::Ack { key, version, decision }: proto::Ack) -> Result<Self, Invalid> {
        Ok(Self { key: key::decode(key)?, version: Version(version), decision })
    }
}

impl TryFrom<proto::Nack> for Nack {
    type Error = Invalid;

    fn try_from(proto::Nack { key, version, reason }: proto::Nack) -> Result<Self, Invalid> {
        let reason = limit::cut(&reason, limit::REASON).to_owned();
        Ok(Self { key: key::decode(key)?, version: Version(version), reason })
    }
}
