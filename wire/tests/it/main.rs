//! The protocol from outside: what goes in at one end comes out at the other, over real streams.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod arbitrary;
mod fakes;
mod round_trip;
mod streams;
