//! The format from outside: every promise and every fault, by name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compress;
mod drop_box;
mod file;
mod fixtures;
mod floe;
mod folder;
mod identity;
mod known;
mod link;
mod names;
mod pad;
mod payload;
mod phrase;
mod pins;
mod rsa;
mod safety;
mod secrets;
mod vault;
