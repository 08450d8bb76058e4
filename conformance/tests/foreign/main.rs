//! The proxy against tools and servers that others wrote. `cargo xtask conformance` brings those
//! and runs this; without them every test fails with a sentence.

#![expect(clippy::print_stdout, reason = "results are for people to read")]

#[cfg(test)]
mod curl_matrix;
#[cfg(test)]
mod grpc_interop;
#[cfg(test)]
mod h2spec;
#[cfg(test)]
mod load;
#[cfg(test)]
mod websocket;
