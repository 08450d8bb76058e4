//! The compiler: what the cluster means to a proxy. Pure functions from what is known to what is
//! served.
//!
//! Each function makes one resource from the [`World`](crate::index::World) and does nothing else;
//! when to call them, and where the result goes, is the index's business. Traffic APIs are rooms of
//! their own that compile into one model; today that is the Gateway API.

pub mod destination;
pub mod endpoints;
pub mod gateway_api;
pub mod inbound;
pub mod mesh;
pub mod protocol;
pub mod service;
pub mod workload;
