//! Files.

mod batch;
mod end;
mod keys;
mod list;
mod replace;
mod ticket;
