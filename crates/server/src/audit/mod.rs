//! The audit log: what is written into it, how it is sealed, and how it is checked.

mod check;
mod export;
mod happened;
mod log;
mod personal;
pub(crate) mod seal;

pub(crate) use crate::http::ClientName as Agent;
pub use check::{Fault, Findings};
pub use envelope::audit::Head;
pub(crate) use envelope::audit::Kind;
pub(crate) use happened::{
    Scribe, code_rejected, factor_rejected, limit_reached, note, passkey_rejected, signed_in,
};
pub use log::{Known, Log, LogError};
pub(crate) use personal::{Personal, PersonalKey};
