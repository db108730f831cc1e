//! The `omemo` command.

fn main() {}
