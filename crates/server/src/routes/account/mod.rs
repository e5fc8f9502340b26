//! The account as a whole.

pub(crate) mod erase;
pub(crate) mod notify;
