//! What people type: set-up, demo, test, bench.

fn main() {}
