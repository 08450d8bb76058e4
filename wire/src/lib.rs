//! The discovery protocol: what goes over the wire between control, proxies and the operator.
//!
//! The protobuf in `proto/` is the specification; the Rust generated from it stays inside this
//! crate. Callers see types of [`model`] and of [`message`], which cannot hold what the protocol
//! forbids: everything that arrives is checked where it is decoded, and what cannot be read harms
//! only itself.
//!
//! | room | holds |
//! |---|---|
//! | [`message`] | everything that travels on a stream |
//! | [`body`] | resources as bytes, and the version that the bytes give them |
//! | [`client`], [`server`] | the three services, from either end |
//! | [`invalid`], [`limit`], [`capability`] | what is refused, what is too much, what must be understood |

pub mod body;
pub mod capability;
pub mod client;
mod convert;
pub mod invalid;
pub mod limit;
pub mod message;
pub mod server;
pub mod untrusted;

pub use body::{Encoded, version_of};

/// What `cargo xtask codegen` makes of `proto/discovery.proto`.
#[path = "gen/serin.discovery.v1.rs"]
#[expect(
    unnameable_types,
    unused_qualifications,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::derive_partial_eq_without_eq,
    clippy::excessive_nesting,
    reason = "generated code is not ours to shape"
)]
mod proto;
