//! What every test stands on: a server with a clock that is moved, people who sign, bodies that are framed.

pub(crate) mod authenticator;
pub(crate) mod person;
pub(crate) mod raw;
pub(crate) mod sealed;
pub(crate) mod server;
pub(crate) mod shared;

pub(crate) use person::Person;
pub(crate) use sealed::Parcel;
pub(crate) use server::{Reply, Stage};
