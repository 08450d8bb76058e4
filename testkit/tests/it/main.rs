//! Every server against its client, as processes and over real sockets on ports the kernel chose.
#![cfg(test)]

mod process;
mod server;
