//! Sign-in.

pub(crate) mod browser;
mod code;
mod factor;
mod refresh;
mod session;
mod sessions;
mod token;
