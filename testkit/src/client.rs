//! Clients that do one thing and say in JSON how it went; the exit code says whether it went well.

pub mod dns;
pub mod greeting;
pub mod grpc;
pub mod http;
pub mod job;
pub mod sleep;
pub mod upload;
pub mod watch;
pub mod websocket;
