//! A cluster of which any part may die, stop or be cut off at any time loses nothing, and its clients go on by themselves.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod cluster;
mod crowd;
mod engines;
mod ground;
mod part;
mod proofs;
mod random;
mod strike;
mod upgrade;
