//! Key files that people keep at the server, sealed on their devices.

use async_trait::async_trait;
use envelope::ids::UserId;

use crate::{DbError, UnixTime};

/// What the server remembers of key files: one for each person, and the number of the newest.
#[async_trait]
pub trait Vaults: Send + Sync {
    /// Puts a key file in the place of the one before, if its number is higher. Idempotent: the same again is
    /// [`StoreVaultAnswer::Stored`]. Of parallel calls with different numbers the highest stays.
    async fn store_vault(&self, new: NewVault) -> Result<StoreVaultAnswer, DbError>;

    /// The key file of a person; `None` if there is none, or it was removed.
    async fn vault(&self, user: UserId) -> Result<Option<StoredVault>, DbError>;

    /// Removes the key file with this number; its number stays the lowest bound. Says whether it was there.
    async fn remove_vault(&self, user: UserId, version: u32, now: UnixTime) -> Result<bool, DbError>;
}

/// A key file that is to be stored.
#[derive(Clone, Debug)]
pub struct NewVault {
    /// Whose.
    pub user: UserId,
    /// Its number.
    pub version: u32,
    /// Its octets.
    pub vault: Vec<u8>,
    /// The present.
    pub now: UnixTime,
}

/// Whether a key file was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreVaultAnswer {
    /// It is there.
    Stored,
    /// One of this or a higher number is, or was, there; nothing changed.
    Older {
        /// That number.
        newest: u32,
    },
}

/// A key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVault {
    /// Its number.
    pub version: u32,
    /// Its octets.
    pub vault: Vec<u8>,
    /// When it was stored.
    pub stored_at: UnixTime,
}
