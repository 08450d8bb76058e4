//! API-server plumbing on kube, shared by the processes that talk to one: watches, and in time leases, events
//! and server-side apply.
//!
//! Everything here knows Kubernetes and nothing of what the mesh does with it.

#![warn(missing_docs)]

pub mod watch;
