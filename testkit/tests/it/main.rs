//! Every server against its client, as processes and over real sockets on ports the kernel chose.
#![cfg(test)]

mod client;
mod load;
mod process;
mod sample;
mod server;
mod shop;
mod talk;
mod tcp;
