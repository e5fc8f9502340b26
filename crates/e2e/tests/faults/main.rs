//! A transfer cannot be killed: whatever strikes it, the same command ends with the same bytes on the other side.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod checks;
mod disks;
mod ground;
mod many;
mod network;
mod proxy;
mod random;
mod soak;
mod strike;
mod sweep;
mod twice;
