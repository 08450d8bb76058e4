//! Serin's control plane: compiles the cluster into discovery resources, serves them to proxies, signs
//! workload certificates and tells the operator what every proxy holds.
//!
//! Everything is here so that tests can run it without a cluster; `main.rs` only wires it up.

pub mod view;
