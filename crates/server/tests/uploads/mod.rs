//! Uploads.

mod begin;
mod complete;
mod parts;
