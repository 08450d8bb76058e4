//! The proxy among peers that mean it no good: what they write is read by two strict readers once
//! it has passed, and what they do to a connection harms nobody else's.

#![expect(clippy::print_stdout, reason = "how many cases there are is worth knowing")]

#[cfg(test)]
mod answering;
#[cfg(test)]
mod client;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod cutting;
#[cfg(test)]
mod cutting_http2;
#[cfg(test)]
mod downgrading;
#[cfg(test)]
mod echo;
#[cfg(test)]
mod flooding;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod going_away;
#[cfg(test)]
mod handshaking;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod misframing;
#[cfg(test)]
mod recorder;
#[cfg(test)]
mod responding;
#[cfg(test)]
mod smuggling;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod stalling;
#[cfg(test)]
mod tasks;
