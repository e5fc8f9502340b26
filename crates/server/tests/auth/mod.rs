//! Sign-in.

mod code;
mod factor;
mod refresh;
mod session;
mod sessions;
mod token;
