//! glue
fn main() {}
