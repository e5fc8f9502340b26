//! Signed-in sessions and their refresh tokens.

use async_trait::async_trait;
use envelope::ids::UserId;

use crate::{DbError, RefreshHash, SessionId, UnixTime};

/// What the server remembers of sessions.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session with its first refresh token. Called once per sign-in; ids and tokens are fresh and random.
    ///
    /// # Errors
    /// [`DbError::UnknownAccount`], [`DbError::Suspended`].
    async fn open_session(&self, new: NewSession) -> Result<(), DbError>;

    /// Exchanges a refresh token for the next one of its session, and prolongs the session. Called about hourly
    /// per session.
    ///
    /// A token is good once. One that was exchanged before has been copied: the whole session ends at once, and
    /// with it every token. There is one exception, for an answer that was lost: within `grace_secs` the same
    /// exchange, `new` included, is answered as before as long as `new` itself was not exchanged. So of parallel
    /// calls with one token at most one `new` ever comes into force.
    async fn rotate_refresh(&self, rotate: RotateRefresh) -> Result<Rotation, DbError>;

    /// A living session; `None` if there is none of that id, it has ended, its account is suspended, or it has
    /// expired at `now`. Called with every authenticated request.
    async fn session(&self, sid: SessionId, now: UnixTime) -> Result<Option<Session>, DbError>;

    /// Ends a session and its tokens at once; says whether there was one. Idempotent.
    async fn end_session(&self, sid: SessionId) -> Result<bool, DbError>;

    /// Ends the session that a refresh token belongs to, whether the token was exchanged or not; says whose and which it
    /// was. `None` if there is none, or the token has expired at `now`. Idempotent in effect.
    async fn end_session_of_token(
        &self,
        token: RefreshHash,
        now: UnixTime,
    ) -> Result<Option<(UserId, SessionId)>, DbError>;

    /// Ends every session of a person; says how many there were. Idempotent.
    async fn end_sessions_of(&self, user: UserId) -> Result<u64, DbError>;

    /// The living sessions of a person, the last used first; at most 1,000.
    async fn sessions_of(&self, user: UserId, now: UnixTime) -> Result<Vec<Session>, DbError>;

    /// Ends a session if it is this person's; says whether it was. Idempotent in effect.
    async fn end_session_of(&self, user: UserId, sid: SessionId) -> Result<bool, DbError>;

    /// Ends every session of a person but one; says how many there were. Idempotent.
    async fn end_other_sessions(&self, user: UserId, keep: SessionId) -> Result<u64, DbError>;
}

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub sid: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The hash of its first refresh token.
    pub refresh: RefreshHash,
    /// The present.
    pub now: UnixTime,
    /// When token and session expire unless they are exchanged.
    pub expires_at: UnixTime,
    /// What the client calls itself; shown to its owner alone.
    pub client: String,
    /// Whether a second factor was shown.
    pub strong: bool,
}

/// An exchange of refresh tokens.
#[derive(Clone, Debug)]
pub struct RotateRefresh {
    /// The hash of the token that was shown.
    pub old: RefreshHash,
    /// The hash of the token that takes its place.
    pub new: RefreshHash,
    /// The present.
    pub now: UnixTime,
    /// When the new token and the session expire.
    pub expires_at: UnixTime,
    /// How long the same exchange is answered again, in seconds.
    pub grace_secs: u32,
}

/// What came of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new token is in force, the old one is used.
    Rotated {
        /// Whose session it is.
        user: UserId,
        /// Which session.
        sid: SessionId,
    },
    /// No such token, or it or its session has expired or ended.
    Unknown,
    /// The token had been exchanged before; its session has been ended by this call.
    Reused {
        /// Whose session it was.
        user: UserId,
        /// Which session.
        sid: SessionId,
    },
}

/// A living session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub sid: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub created_at: UnixTime,
    /// When it expires unless it is prolonged.
    pub expires_at: UnixTime,
    /// When it was opened or last prolonged.
    pub last_used_at: UnixTime,
    /// What the client called itself.
    pub client: String,
    /// Whether a second factor was shown.
    pub strong: bool,
}
