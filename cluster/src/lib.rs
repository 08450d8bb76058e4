//! The API server as Serin's processes see it, on kube: how objects are watched, applied and
//! reported on.
//!
//! | room | holds |
//! |---|---|
//! | [`client`] | the connection, and what an error asks of its caller |
//! | [`watch`] | a kind of object, trimmed and kept current |
//! | [`apply`] | server-side apply in the name of one controller |
//! | [`status`] | the status of one object, written at most once a second |
//! | [`events`] | one event for each thing that happened |
//! | [`lease`] | the lease that lets one of several processes act |
//!
//! Everything here knows Kubernetes and nothing of what the mesh does with it.

#![warn(missing_docs)]

pub mod apply;
pub mod client;
pub mod events;
pub mod lease;
pub mod status;
pub mod watch;
