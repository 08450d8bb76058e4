//! The serving side over real TLS: proxies and an operator against a replica whose cluster is in
//! memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod admission;
mod authority;
mod discovery;
mod operator;
mod rotation;
mod signing;
mod stopping;
mod world;
