//! killer.
fn main() {}
