//! Tools and servers that others wrote, as the tests in this crate use them: how they are started,
//! what they report, and how results are shown. No part of the product.
//!
//! `cargo xtask conformance` brings the programs and says where they are.

pub mod address;
pub mod child;
pub mod curl;
pub mod h2spec;
pub mod programs;
pub mod table;
pub mod upstream;
