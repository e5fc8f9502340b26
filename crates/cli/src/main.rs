//! The command line of Waxwing.

fn main() {}
