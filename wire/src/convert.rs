//! Between protobuf and the model, one file per subject. Encoding cannot fail; decoding checks
//! everything.

mod address;
mod decision;
mod endpoint;
mod inbound;
mod key;
mod mesh;
pub(crate) mod operator;
pub(crate) mod proxy;
mod report;
pub(crate) mod resource;
mod route;
mod service;
mod shared;
mod sign;
mod trust;
mod workload;

#[cfg(test)]
mod tests;
