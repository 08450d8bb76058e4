//! The proxy against a real kernel and real sockets. What touches redirection needs root and works in network
//! namespaces of its own; the data plane's tests stay on loopback, with destinations that the tests bring.

#[cfg(test)]
mod leaving;
#[cfg(test)]
mod mesh;
#[cfg(test)]
mod namespace;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod redirect;
#[cfg(test)]
mod split;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod world;
