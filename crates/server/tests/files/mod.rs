//! Files.

mod batch;
mod end;
mod keys;
mod list;
mod members;
mod replace;
pub(crate) mod sharing;
mod ticket;
