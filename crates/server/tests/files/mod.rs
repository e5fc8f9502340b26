//! Files.

mod end;
mod list;
mod ticket;
