//! Sign-in.

mod code;
mod refresh;
mod session;
mod token;
