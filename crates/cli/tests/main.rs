//! The command line as people and programs meet it: the real executable, a process a command, a server in between.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod activity;
mod agent;
mod boxes;
mod cases;
mod compat;
mod contacts;
mod container;
mod folders;
mod gate;
mod house;
mod ipfs;
mod keys;
mod lies;
mod links;
mod listing;
mod receiving;
mod rsa;
mod sending;
mod sharing;
mod signing_in;
mod stopping;
mod terminal;
mod two_factor;
mod watching;
