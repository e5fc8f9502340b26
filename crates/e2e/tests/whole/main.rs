//! The whole, as a person meets it: `waxd` and `wax` as separate processes over TLS.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod balanced;
mod blind;
mod demo;
mod killed;
mod mail;
mod memory;
mod moved;
mod operator;
mod outgrown;
#[cfg(target_os = "linux")]
mod power;

use e2e::scene;
