//! Files.

mod end;
mod keys;
mod list;
mod ticket;
