//! The server of Waxwing: serve, demo, doctor.

fn main() {}
