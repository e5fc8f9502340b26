//! Passkeys, and the ceremonies by which they are added and shown.

use async_trait::async_trait;
use envelope::ids::UserId;

use crate::{CeremonyHash, CodeMac, CredentialMac, DbError, PasskeyId, SessionId, UnixTime};

/// What the server remembers of passkeys. Keys, names and the state of ceremonies arrive sealed.
#[async_trait]
pub trait Passkeys: Send + Sync {
    /// Remembers a ceremony that has begun. Hashes are of fresh random tokens.
    async fn open_ceremony(&self, ceremony: Ceremony) -> Result<(), DbError>;

    /// Takes a ceremony out, so that it is over whatever comes of it; `None` if there is none or it has expired at `now`.
    /// Of parallel calls at most one gets it, on whichever server it began.
    async fn take_ceremony(&self, hash: CeremonyHash, now: UnixTime) -> Result<Option<Vec<u8>>, DbError>;

    /// Adds a passkey and marks the session as strong. Where it is the person's first second factor of any kind, lays
    /// the backup codes out as well. Called at the end of a ceremony.
    async fn add_passkey(&self, new: NewPasskey) -> Result<AddPasskeyAnswer, DbError>;

    /// The passkeys of a person, the oldest first.
    async fn passkeys_of(&self, user: UserId) -> Result<Vec<StoredPasskey>, DbError>;

    /// The passkey of a credential, whoever owns it; `None` if there is none.
    async fn passkey(&self, credential: CredentialMac) -> Result<Option<StoredPasskey>, DbError>;

    /// Notes that a passkey was shown, with what it counted: `false`, and nothing changed, where there is no such
    /// passkey any more, or one that counts has not counted on since. Of parallel calls with one count above 0 at most
    /// one is `true`.
    async fn use_passkey(&self, used: UsedPasskey) -> Result<bool, DbError>;

    /// Gives a passkey of this person another name; says whether there was one. Idempotent.
    async fn rename_passkey(
        &self,
        user: UserId,
        id: PasskeyId,
        sealed_name: Vec<u8>,
    ) -> Result<bool, DbError>;

    /// Removes a passkey of this person; says whether there was one. Backup codes go with the last second factor.
    /// Idempotent in effect.
    async fn remove_passkey(&self, user: UserId, id: PasskeyId) -> Result<bool, DbError>;
}

/// A ceremony that has begun.
#[derive(Clone, Debug)]
pub struct Ceremony {
    /// The hash of the token that ends it.
    pub hash: CeremonyHash,
    /// What must be known at its end, sealed by the server.
    pub sealed: Vec<u8>,
    /// When it ends by itself.
    pub expires_at: UnixTime,
}

/// A passkey that is to be added.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    /// Its id, fresh and random.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// The session in which it happens.
    pub sid: SessionId,
    /// By what the credential is found.
    pub credential: CredentialMac,
    /// The public key and what belongs to it, sealed.
    pub sealed: Vec<u8>,
    /// Its name, sealed.
    pub sealed_name: Vec<u8>,
    /// The number of the newest bundle when whoever asks proved that they may; `None` if there was none.
    pub keys: Option<u32>,
    /// The present.
    pub now: UnixTime,
    /// Passkeys of one person, at most.
    pub most: u32,
    /// Keyed hashes of the backup codes for a first second factor, at most 50.
    pub backup: Vec<CodeMac>,
}

/// What came of adding a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddPasskeyAnswer {
    /// Added.
    Added {
        /// Whether the backup codes are in force, because there was no second factor before.
        first: bool,
    },
    /// The person has as many as there may be; nothing changed.
    TooMany,
    /// The credential is known, of this person or another; nothing changed.
    Known,
    /// Keys were published since the proof was looked at; nothing changed.
    Stale,
}

/// A passkey as it rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPasskey {
    /// Its id.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// By what the credential is found.
    pub credential: CredentialMac,
    /// The public key and what belongs to it, sealed.
    pub sealed: Vec<u8>,
    /// Its name, sealed.
    pub sealed_name: Vec<u8>,
    /// When it was added.
    pub created_at: UnixTime,
    /// When it was shown last.
    pub last_used_at: Option<UnixTime>,
}

/// A passkey that was shown.
#[derive(Clone, Debug)]
pub struct UsedPasskey {
    /// Its id.
    pub id: PasskeyId,
    /// The public key and what belongs to it, sealed anew.
    pub sealed: Vec<u8>,
    /// What the authenticator counted.
    pub counter: u32,
    /// The present.
    pub now: UnixTime,
}
