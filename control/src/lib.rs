//! Serin's control plane: compiles the cluster into discovery resources, serves them to proxies, signs
//! workload certificates and tells the operator what every proxy holds.
//!
//! Everything is here so that tests can run it without a cluster; `main.rs` only wires it up.

pub mod compile;
pub mod decisions;
pub mod index;
pub mod snapshot;
pub mod view;
pub mod watch;
