//! testkit

fn main() {}
