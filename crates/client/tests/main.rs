//! The client against a real server in the same process, and against a proxy that lies.

#![expect(unreachable_pub, reason = "nothing of a test is for others")]

mod account;
mod files;
mod lies;
mod logs;
mod receiving;
mod resume;
mod round_trip;
mod speed;
mod stage;
mod trust;
