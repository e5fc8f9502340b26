//! People who leave.

use async_trait::async_trait;
use envelope::ids::UserId;

use crate::{DbError, Lookup, NewEvent, UnixTime};

/// What the server forgets when a person leaves.
#[async_trait]
pub trait Erasure: Send + Sync {
    /// Erases an account in one step: its address, sessions, codes, second factors, keys, key file, record of pins,
    /// the links to its files, what others gave it, and the key of its personal fields in the audit log. Its files and uploads expire with `now`;
    /// the expiry job takes their bytes. The bare id stays, and the address may make a new account. Says whether the account
    /// was there; an erased one is not.
    async fn erase_account(&self, erase: Erase) -> Result<bool, DbError>;
}

/// Who is to be erased.
#[derive(Clone, Debug)]
pub struct Erase {
    /// Whose account.
    pub user: UserId,
    /// Random; takes the place of what the address was found by.
    pub lookup: Lookup,
    /// The present.
    pub now: UnixTime,
    /// Appended to the audit log before its key is destroyed.
    pub events: Vec<NewEvent>,
}
