//! What the end-to-end tests stand on: a real cluster, reached as a user reaches it.
//!
//! Commands go through `kubectl`, because that is what users type; reading and waiting go through
//! the API. Every wait has a deadline and says what it waited for. A test works in namespaces of
//! its own, which show their pods, events and logs when the test fails, and are gone afterwards.
//!
//! Without a cluster the tests fail with a sentence: `cargo xtask e2e` brings one up.

pub mod app;
pub mod demo;
pub mod events;
pub mod eventually;
pub mod freeze;
pub mod kubectl;
pub mod load;
pub mod mesh;
pub mod namespace;
pub mod request;
pub mod rollout;
pub mod scrape;
pub mod world;

pub use eventually::eventually;
pub use namespace::Namespace;
pub use world::World;
