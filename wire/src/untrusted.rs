//! Bytes from elsewhere as either end of a stream reads them, for those who try what any bytes do.
//! The streams themselves decode as they go.

use bytes::Bytes;
use model::resource::Resource;
use prost::Message as _;

use crate::{
    convert,
    invalid::Invalid,
    message::{FromControl, ToControl},
    proto,
};

/// A resource, as a proxy reads what the control plane pushes.
///
/// # Errors
/// If it is none.
pub fn resource(body: &Bytes) -> Result<Resource, Invalid> {
    convert::resource::decode(body)
}

/// A message of a proxy, as the control plane reads it, and the bytes that say the same. Nothing if
/// it is none.
#[must_use]
pub fn to_control(bytes: &[u8]) -> Option<(ToControl, Vec<u8>)> {
    let (message, _invalid) = convert::proxy::decode_to(proto::ToControl::decode(bytes).ok()?);
    let message = message?;
    let again = convert::proxy::encode_to(&message).encode_to_vec();
    Some((message, again))
}

/// A message of the control plane, as a proxy reads it. Nothing if it is none.
#[must_use]
pub fn from_control(bytes: &[u8]) -> Option<FromControl> {
    convert::proxy::decode_from(proto::FromControl::decode(bytes).ok()?).ok()
}
