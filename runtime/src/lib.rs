//! What every Serin process needs besides its own work.
//!
//! Settings, a clock that tests can hold, supervised tasks and an orderly end, readiness, an admin
//! server, logs and metrics, and the mesh's TLS. It knows neither Kubernetes nor any other crate of
//! ours.
//!
//! What is absent: anything that only one process needs.

pub mod admin;
pub mod clock;
mod process;
pub mod readiness;
pub mod settings;
pub mod tasks;
pub mod telemetry;
pub mod tls;
