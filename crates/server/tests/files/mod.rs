//! Files.

mod batch;
mod end;
mod keys;
mod list;
mod members;
mod replace;
mod ticket;
