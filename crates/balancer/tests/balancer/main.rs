//! The balancer before real servers of its own kind: TLS on both sides, over loopback.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod choice;
mod claims;
mod ends;
mod ground;
mod lists;
mod passing;
mod retries;
mod smuggling;
mod words;
