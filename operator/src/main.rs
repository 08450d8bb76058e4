//! `serin-operator`: installs the mesh, rotates its CA and runs canary rollouts.

mod ca;
mod fleet;
mod mesh;
mod world;

fn main() {}
