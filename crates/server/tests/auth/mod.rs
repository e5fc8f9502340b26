//! Sign-in.

mod code;
pub(crate) mod factor;
mod refresh;
mod session;
mod sessions;
mod token;
