//! The proxy against a real kernel and real sockets. What touches redirection needs root, works in
//! network namespaces of its own and fails with a sentence if it cannot. All else stays on
//! loopback: the data plane with destinations that the tests bring, discovery and identity with a
//! control plane that says what a test tells it.

#[cfg(test)]
mod bytes;
#[cfg(test)]
mod control;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod dual_stack;
#[cfg(test)]
mod ended;
#[cfg(test)]
mod first_word;
#[cfg(test)]
mod giving_up;
#[cfg(test)]
mod header_case;
#[cfg(test)]
mod http1_connections;
#[cfg(test)]
mod http1_messages;
#[cfg(test)]
mod http2_streams;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod logging;
#[cfg(test)]
mod lost_node;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod mesh;
#[cfg(test)]
mod namespace;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod passed_on;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod redirect;
#[cfg(test)]
mod redirected;
#[cfg(test)]
mod split;
#[cfg(test)]
mod stalled_streams;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod tracing;
