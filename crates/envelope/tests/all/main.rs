//! The envelope from outside: every layout, every fault, by name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod action;
mod address;
mod audit;
mod bundle;
mod container;
mod fixtures;
mod grant;
mod ids;
mod known;
mod manifest;
mod merkle;
mod pins;
mod segment;
mod signature;
mod small;
mod vault;
