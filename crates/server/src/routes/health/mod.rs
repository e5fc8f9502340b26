//! How the server is.

pub(crate) mod ready;
pub(crate) mod status;
