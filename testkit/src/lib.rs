//! Applications, clients and load for Serin's tests and demo: no part of the product.
//!
//! One binary with a subcommand for each, so that one small image serves every pod:
//! - `server`, `grpc-server`: an application that describes what reached it, with faults on demand;
//! - `shop`: the four services of the demo, calling one another over HTTP and gRPC;
//! - `load`: an open-loop generator that counts what a real client would see, and `collect`, which
//!   keeps those counts when the generator's pod is gone;
//! - `tcp-*`, `smtp-server`, `*-client`, `upload`, `job`, `sleep`, `dns`: everything else a mesh
//!   must carry.
//!
//! What these print and answer is JSON. Its types live beside the code that writes them
//! ([`load::Stats`], [`server::Described`], [`serve::Listening`], ...) and read back what it wrote,
//! so that tests outside the cluster never pick at text.

mod caller;
pub mod client;
pub mod clock;
pub mod collect;
pub mod command;
pub mod fault;
pub mod flags;
pub mod grpc;
pub mod identity;
mod link;
pub mod load;
pub mod output;
pub mod reply;
pub mod serve;
pub mod server;
pub mod shop;
pub mod smtp;
pub mod stop;
pub mod tasks;
pub mod tcp;
