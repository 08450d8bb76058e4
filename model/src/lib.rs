//! The mesh's domain, and nothing else: who a workload is, what a service looks like to its
//! callers, how a request finds an endpoint, and the machines that move releases and roots forward.
//!
//! No module here does I/O, reads a clock or draws a random number: callers bring all three. That
//! is what lets tests walk whole state spaces and lets the proxy, the control plane and the
//! operator agree on one meaning.
//!
//! | room | holds |
//! |---|---|
//! | [`identity`] | trust domains and SPIFFE ids |
//! | [`key`], [`resource`] | what a proxy may ask for, and what it is answered |
//! | [`service`], [`route`], [`endpoint`], [`workload`] | a service as its callers see it |
//! | [`inbound`], [`trust`], [`mesh`] | a workload's own policy, the trust bundle, mesh-wide defaults |
//! | [`decision`] | the numbered weights of a rollout, which never go back |
//! | [`rollout`] | the machine that moves a release forward or takes it back |
//! | [`rows`], [`verdict`] | what callers counted of a release, and whether that is good |
//! | [`rotation`] | the machine that replaces the mesh's root |
//! | [`acks`] | who of the live proxies holds what |

#![warn(missing_docs)]

pub mod acks;
#[cfg(test)]
mod chance;
pub mod decision;
pub mod endpoint;
pub mod identity;
pub mod inbound;
pub mod key;
pub mod mesh;
pub mod moment;
pub mod resource;
pub mod revision;
pub mod rollout;
pub mod rotation;
pub mod route;
pub mod rows;
pub mod service;
pub mod trust;
pub mod verdict;
pub mod weight;
pub mod workload;
