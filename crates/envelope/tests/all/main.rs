//! The envelope from outside: every layout, every fault, by name.

mod address;
mod bundle;
mod fixtures;
mod grant;
mod ids;
mod manifest;
mod merkle;
mod segment;
mod signature;
mod vault;
