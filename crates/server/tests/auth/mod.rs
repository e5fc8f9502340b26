//! Sign-in.

pub(crate) mod browser;
mod code;
pub(crate) mod factor;
mod refresh;
mod session;
mod sessions;
mod token;
