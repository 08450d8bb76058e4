//! Serin's control plane: compiles the cluster into discovery resources, serves them to proxies,
//! signs workload certificates and tells the operator what every proxy holds.
//!
//! Everything is here so that tests can run it without a cluster; `main.rs` only wires it up.
//!
//! | room | holds |
//! |---|---|
//! | [`watch`], [`index`], [`compile`] | the cluster, and what is made of it |
//! | [`decisions`], [`snapshot`], [`view`] | what is followed of the operator's word, and what sessions read |
//! | [`serve`] | the listener: TLS, HTTP/2, who is at the other end |
//! | [`session`], [`report`], [`operations`] | proxies, what is known of them, and who is told |
//! | [`routes`] | what is said in the status of routes, and by which replica |
//! | [`ca`], [`sign`], [`token`] | the authority, certificates, and what tokens prove |

pub mod ca;
pub mod compile;
pub mod decisions;
pub mod index;
pub mod meter;
pub mod operations;
pub mod report;
pub mod routes;
pub mod serve;
pub mod session;
pub mod settings;
pub mod sign;
pub mod snapshot;
pub mod token;
pub mod view;
pub mod watch;
