//! `serin-proxy`: the sidecar's program.

fn main() {}
