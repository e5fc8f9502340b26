//! The record of pins that a person's devices share, sealed on them.

use async_trait::async_trait;
use envelope::ids::UserId;

use crate::{DbError, UnixTime};

/// What the server remembers of records of pins: the newest of each person.
#[async_trait]
pub trait Pins: Send + Sync {
    /// Puts a record in the place of the one with the version `previous`, and of no other: of devices that write at
    /// once one wins, and the others read again. Idempotent: the same octets again are [`StorePinsAnswer::Stored`].
    async fn store_pins(&self, new: NewPins) -> Result<StorePinsAnswer, DbError>;

    /// The newest record of a person.
    async fn pins(&self, user: UserId) -> Result<Option<StoredPins>, DbError>;
}

/// A record that is to be stored.
#[derive(Clone, Debug)]
pub struct NewPins {
    /// Whose.
    pub user: UserId,
    /// The version of the record that it takes the place of; 0 if there is none.
    pub previous: u64,
    /// Its version, above `previous`.
    pub version: u64,
    /// Its octets.
    pub record: Vec<u8>,
    /// The present.
    pub now: UnixTime,
}

/// Whether a record was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorePinsAnswer {
    /// It is there.
    Stored,
    /// Another one is there than was to be replaced; nothing changed.
    Conflict,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPins {
    /// Its version.
    pub version: u64,
    /// Its octets.
    pub record: Vec<u8>,
}
