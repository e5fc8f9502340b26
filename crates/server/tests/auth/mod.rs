//! Sign-in.

pub(crate) mod browser;
mod code;
pub(crate) mod factor;
pub(crate) mod passkey;
mod refresh;
mod session;
mod sessions;
mod token;
