//! Tests of the whole: real executables, real processes. They live in `tests/`; here is what they share.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

pub mod dice;
pub mod scene;
pub mod store;
