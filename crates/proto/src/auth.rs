//! Sign-in: a code by e-mail, a session, its renewal and its end.

use crate::{UnixSeconds, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroize;

/// A bearer or refresh token: never printed, wiped when dropped.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Wraps a token's text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the header or body that carries it and for nothing else.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// `POST /auth/code`: asks for a code; the answer (204) is the same whether or not the address is known.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRequest {
    /// The address to write to.
    pub email: String,
}

/// `POST /auth/session`: trades a code for a session; the first correct code makes the account.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// The address that the code was sent to.
    pub email: String,
    /// Six digits.
    pub code: String,
}

/// A session that was just opened, or renewed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionReply {
    /// Bearer token for the `Authorization` header.
    pub access_token: Token,
    /// Single-use token for `POST /auth/refresh`.
    pub refresh_token: Token,
    /// Who signed in.
    pub user_id: UserId,
    /// Seconds until the access token ends.
    pub expires_in: i64,
    /// Unix seconds at which the refresh token ends.
    pub refresh_expires_at: UnixSeconds,
    /// The server's clock, so that a client can name a clock that is off.
    pub server_time: UnixSeconds,
}

/// `POST /auth/refresh`: trades a refresh token for a new pair; a token used twice ends its session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The newest refresh token.
    pub refresh_token: Token,
}

/// A session that a browser opened, or renewed; its refresh token stands in the cookie alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BrowserSession {
    /// Bearer token for the `Authorization` header; to be kept in memory only.
    pub access_token: Token,
    /// Who signed in.
    pub user_id: UserId,
    /// Seconds until the access token ends.
    pub expires_in: i64,
    /// Unix seconds at which the cookie's token ends.
    pub refresh_expires_at: UnixSeconds,
    /// The server's clock.
    pub server_time: UnixSeconds,
}

/// `POST /auth/refresh` of a browser has no fields: the token stands in the cookie.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrowserRefreshRequest {}

/// `POST /auth/logout` has no fields; the bearer's session ends at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogoutRequest {}

/// `GET /auth/whoami`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WhoAmI {
    /// The caller.
    pub user_id: UserId,
    /// Unix seconds at which the account was made.
    pub created: UnixSeconds,
    /// Whether a bundle is published.
    pub has_bundle: bool,
    /// Bytes stored for this account, unfinished uploads included.
    pub used_bytes: u64,
    /// Bytes this account may store.
    pub quota_bytes: u64,
    /// Whether signing in needs a second factor.
    #[serde(default)]
    pub second_factor: bool,
    /// Whether there is an authenticator app.
    #[serde(default)]
    pub authenticator_app: bool,
    /// How many passkeys there are.
    #[serde(default)]
    pub passkeys: u32,
    /// Backup codes that were not used yet.
    #[serde(default)]
    pub backup_codes_left: u32,
    /// Whether this server demands a second factor of everybody.
    #[serde(default)]
    pub second_factor_demanded: bool,
    /// Whether what is sent now is published on IPFS, which cannot be taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publishes: bool,
    /// The server's clock.
    pub server_time: UnixSeconds,
}
