//! The proxy against a real kernel and real sockets. Needs root: each test works in network namespaces that it
//! makes for itself, and fails with a sentence if it cannot.

#[cfg(test)]
mod namespace;
#[cfg(test)]
mod redirect;
