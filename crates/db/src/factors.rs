//! The second factor: an authenticator app, its backup codes, and sign-ins that wait for one of them.

use async_trait::async_trait;
use envelope::ids::UserId;

use crate::{CodeMac, DbError, HalfHash, UnixTime};

/// What the server remembers of second factors. Secrets arrive sealed, codes as keyed hashes.
#[async_trait]
pub trait Factors: Send + Sync {
    /// Puts a secret in the place of one that was never confirmed. Called when an app is to be added.
    async fn offer_totp(&self, offer: OfferTotp) -> Result<OfferAnswer, DbError>;

    /// The secret of a person, confirmed or not; `None` if there is none.
    async fn totp(&self, user: UserId) -> Result<Option<Totp>, DbError>;

    /// Confirms the offered secret by the step of a first right code, lays out backup codes in the place of older
    /// ones, and marks the session as strong. `false`, and nothing changed, where there is nothing to be confirmed.
    async fn confirm_totp(&self, confirm: ConfirmTotp) -> Result<bool, DbError>;

    /// Uses the code of a step up; `false` where the secret is not confirmed, or this step or a later one was used
    /// before. Of parallel calls with one step at most one is `true`.
    async fn use_totp_step(&self, user: UserId, step: u64) -> Result<bool, DbError>;

    /// Uses a backup code up; `false` where there is no such code. Of parallel calls at most one is `true`.
    async fn use_backup_code(&self, user: UserId, mac: CodeMac) -> Result<bool, DbError>;

    /// Lays out backup codes in the place of older ones; `false`, and nothing changed, without a confirmed secret or a
    /// passkey.
    async fn replace_backup_codes(&self, user: UserId, macs: &[CodeMac]) -> Result<bool, DbError>;

    /// What second factors a person has. Called at every sign-in.
    async fn factors_of(&self, user: UserId) -> Result<FactorsSet, DbError>;

    /// Takes the secret away, and the backup codes where no passkey is left that they stand in for; says whether there
    /// was a secret. Idempotent.
    async fn remove_totp(&self, user: UserId) -> Result<bool, DbError>;

    /// Takes secret, passkeys and backup codes away; says whether there was a confirmed secret or a passkey. Idempotent.
    async fn remove_factors(&self, user: UserId) -> Result<bool, DbError>;

    /// Remembers a sign-in that lacks its second factor.
    async fn open_half(&self, half: HalfSignIn) -> Result<(), DbError>;

    /// Counts an attempt at the second factor of such a sign-in and says whose it is; `None` if there is none, it
    /// has expired, or its attempts are used up. Counted and answered in one step.
    async fn try_half(
        &self,
        hash: HalfHash,
        max_attempts: u32,
        now: UnixTime,
    ) -> Result<Option<UserId>, DbError>;

    /// Whose such a sign-in is, without counting an attempt; `None` if there is none, it has expired, or its attempts
    /// are used up.
    async fn half(&self, hash: HalfHash, max_attempts: u32, now: UnixTime)
    -> Result<Option<UserId>, DbError>;

    /// Ends such a sign-in; `true` for one call only, which may open the session.
    async fn end_half(&self, hash: HalfHash) -> Result<bool, DbError>;
}

/// A secret that is to be offered.
#[derive(Clone)]
pub struct OfferTotp {
    /// Whose.
    pub user: UserId,
    /// Sealed.
    pub sealed: Vec<u8>,
    /// The number of the newest bundle when whoever asks proved that they may; `None` if there was none.
    pub keys: Option<u32>,
    /// The present.
    pub now: UnixTime,
}

/// What came of offering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferAnswer {
    /// It waits for its first code.
    Offered,
    /// A confirmed one is there; nothing changed.
    Confirmed,
    /// Keys were published since the proof was looked at; nothing changed.
    Stale,
}

/// The second factors of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactorsSet {
    /// Whether an authenticator app is confirmed.
    pub app: bool,
    /// How many passkeys there are.
    pub passkeys: u32,
    /// How many backup codes are left.
    pub backup_codes: u32,
}

impl FactorsSet {
    /// Whether signing in needs a second factor.
    pub fn is_any(&self) -> bool {
        self.app || self.passkeys > 0
    }
}

/// An authenticator app's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totp {
    /// The secret, sealed by the server.
    pub sealed: Vec<u8>,
    /// Whether a right code has shown that the app has it.
    pub confirmed: bool,
    /// The step of the newest code that was used.
    pub last_step: u64,
}

/// The end of adding an app.
#[derive(Clone, Debug)]
pub struct ConfirmTotp {
    /// Whose.
    pub user: UserId,
    /// The session in which it happens.
    pub sid: crate::SessionId,
    /// The secret whose code was right, sealed as it was offered: another one that was offered meanwhile is not confirmed.
    pub sealed: Vec<u8>,
    /// The step of the first right code.
    pub step: u64,
    /// Keyed hashes of the backup codes, at most 50.
    pub backup: Vec<CodeMac>,
}

/// A sign-in that has proved the mailbox.
#[derive(Clone, Debug)]
pub struct HalfSignIn {
    /// The hash of the token that continues it.
    pub hash: HalfHash,
    /// Whose.
    pub user: UserId,
    /// When it ends.
    pub expires_at: UnixTime,
}
