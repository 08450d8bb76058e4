//! The protocol from outside: what goes in at one end comes out at the other, over real streams.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests, and wire knows nobody who supervises tasks"
)]

mod arbitrary;
mod fakes;
mod round_trip;
mod streams;
