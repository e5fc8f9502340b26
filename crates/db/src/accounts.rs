//! Accounts, one-time codes and counted limits.

use async_trait::async_trait;
use envelope::ids::UserId;

use crate::{CodeMac, DbError, Lookup, UnixTime};

/// What the server remembers of people and of their attempts to come in.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Puts a new code in the place of an older one of the same address. Called when somebody asks for a code.
    ///
    /// A window starts with the first code of an address and lasts `window_secs`. In it at most `send_limit` codes
    /// are issued, and wrong attempts are carried over from code to code, so that asking again restores none.
    /// Once `max_attempts` are used up, no more codes are issued until the window ends. Not idempotent: a
    /// repetition counts again.
    async fn issue_code(&self, code: NewCode) -> Result<SentCode, DbError>;

    /// Tries a code. Called once per attempt to sign in; counts the attempt and answers in one step, so that
    /// parallel guesses never get more than `max_attempts` together.
    ///
    /// A code is right once: after [`Redemption::Correct`] it is void, and the attempts start anew. Absence,
    /// expiry, earlier use and used-up attempts are all [`Redemption::Void`]. Not idempotent.
    async fn redeem_code(
        &self,
        lookup: Lookup,
        mac: CodeMac,
        max_attempts: u32,
        now: UnixTime,
    ) -> Result<Redemption, DbError>;

    /// The account of an address, made if there is none. Called after a right code. Idempotent: of parallel
    /// calls one creates and all return the same account. An invitation of the address is used up if it is new.
    async fn find_or_create_account(&self, new: NewAccount) -> Result<Enrolled, DbError>;

    /// An account by id; `None` if there is none.
    async fn account(&self, user: UserId) -> Result<Option<Account>, DbError>;

    /// The ids of those addresses that have an account, in no particular order; others are left out.
    /// At most 1,000 at once.
    async fn users_by_lookup(&self, lookups: &[Lookup]) -> Result<Vec<(Lookup, UserId)>, DbError>;

    /// Accounts in the order of their ids, at most `limit` (1 to 500) of them behind `after`. A page shorter than
    /// `limit` is the last one. For administration.
    async fn list_accounts(
        &self,
        after: Option<UserId>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<AccountRow>, DbError>;

    /// Counts one hit against a limit and says whether it is within. Called once per limited request.
    ///
    /// Counted in fixed windows that start with the first hit; a hit above the limit does not prolong the wait.
    async fn count_hit(&self, hit: Hit) -> Result<HitAnswer, DbError>;

    /// Counts several hits at once where all of them are within the limit, and none where they are not: for a caller that
    /// hands them out later. The seconds until their window ends, at least 1; `None` where they were not counted.
    ///
    /// Windows are those of [`Accounts::count_hit`]. Hits belong to the window in which they were counted: what is left
    /// of them when it ends is worth nothing.
    async fn reserve_hits(&self, hit: Hit, count: u32) -> Result<Option<u32>, DbError>;
}

/// A one-time code that is to be sent.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// Whose code it is.
    pub lookup: Lookup,
    /// The keyed hash of the code.
    pub mac: CodeMac,
    /// The present.
    pub now: UnixTime,
    /// When the code stops being right.
    pub expires_at: UnixTime,
    /// How long codes and wrong attempts of an address are counted together, in seconds.
    pub window_secs: u32,
    /// Codes issued in one window, at most.
    pub send_limit: u32,
    /// Attempts in one window, at most; the same figure as for [`Accounts::redeem_code`].
    pub max_attempts: u32,
}

/// Whether a code may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentCode {
    /// The code is in force; send it.
    Issued,
    /// Too many codes or wrong attempts; nothing changed.
    TooMany {
        /// Seconds until the window ends, at least 1.
        retry_after_secs: u32,
    },
}

/// What a code was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// It was right, and is now used up.
    Correct,
    /// It was not right; the attempt is counted.
    Wrong,
    /// There is no code that could be right: none issued, expired, used, or its attempts are used up.
    Void,
}

/// Who is to be found or made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// By what the address is found.
    pub lookup: Lookup,
    /// The address, sealed by the server; kept only if the account is new.
    pub sealed_address: Vec<u8>,
    /// The id of the account, if it is new.
    pub user: UserId,
    /// The present.
    pub now: UnixTime,
}

/// An account and whether it is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The account of the address.
    pub account: Account,
    /// Whether this call made it.
    pub is_new: bool,
}

/// A person, as far as the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The id.
    pub user: UserId,
    /// By what the address is found.
    pub lookup: Lookup,
    /// The address, sealed by the server.
    pub sealed_address: Vec<u8>,
    /// When the account was made.
    pub created_at: UnixTime,
    /// Since when it is suspended; `None` if it is not.
    pub suspended_at: Option<UnixTime>,
    /// Octets that it may be charged for, where it has a figure of its own.
    pub quota_bytes: Option<u64>,
}

/// An account as whoever administers the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The account.
    pub account: Account,
    /// Sealed octets that it is charged for.
    pub charged_bytes: u64,
    /// Sessions that live.
    pub sessions: u32,
    /// Whether there is a second factor: a confirmed authenticator app or a passkey.
    pub second_factor: bool,
}

/// One hit against a limit.
#[derive(Clone, Debug)]
pub struct Hit {
    /// What is counted: a kind and a subject, hashed by the caller where the subject is personal; at most 128 octets.
    pub bucket: Vec<u8>,
    /// Length of a window in seconds.
    pub window_secs: u32,
    /// Hits in one window, at most.
    pub max: u32,
    /// The present.
    pub now: UnixTime,
}

/// Whether a hit is within its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitAnswer {
    /// Within.
    Allowed {
        /// Hits left in this window.
        remaining: u32,
        /// Seconds until the window ends, at least 1.
        reset_secs: u32,
    },
    /// Above.
    TooMany {
        /// Seconds until the window ends, at least 1.
        retry_after_secs: u32,
    },
}
