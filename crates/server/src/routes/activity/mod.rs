//! Activity: the caller's part of the audit log, and the chain that seals it.

pub(crate) mod heads;
pub(crate) mod list;
