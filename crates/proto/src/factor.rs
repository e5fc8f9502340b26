//! Second factors, and the sessions of a person.

use crate::{B64, SessionReply, Token, UnixSeconds};
use serde::{Deserialize, Serialize};

/// What `POST /auth/session` gives: a session, or the way to the second factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SignIn {
    /// Signed in.
    Session(SessionReply),
    /// The code was right, and the account has a second factor.
    Half {
        /// How to go on.
        second_factor: SecondFactor,
    },
}

/// A sign-in that lacks its second factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecondFactor {
    /// For [`SecondFactorRequest`].
    pub token: Token,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// Whether the account has an authenticator app.
    #[serde(default = "yes")]
    pub app: bool,
    /// Whether it has passkeys.
    #[serde(default)]
    pub passkeys: bool,
}

/// What a server that says nothing of it means.
const fn yes() -> bool {
    true
}

/// `POST /auth/second`: the second factor of a sign-in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorRequest {
    /// The token of [`SecondFactor`].
    pub token: Token,
    /// Six digits of the authenticator app, or a backup code.
    pub code: String,
}

/// A signature by the root key over `waxwing/v1/action/second-factor`, made just now.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorProof {
    /// Unix seconds that are signed; within ten minutes of the server's.
    pub time: UnixSeconds,
    /// 64 bytes.
    pub signature: B64,
}

/// `POST /auth/totp`, `/auth/totp/remove`, `/auth/passkeys/{id}/remove`, `/auth/backup-codes`: a change of the second factor. Accounts that have
/// published keys prove it by their root key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorRequest {
    /// The proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<FactorProof>,
}

/// What an authenticator app needs; it counts once it is confirmed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TotpSecret {
    /// The secret in base32.
    pub secret: Token,
    /// The same as `otpauth://totp/…`, for a QR code.
    pub uri: Token,
}

/// `POST /auth/totp/confirm`: shows that the app has the secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TotpConfirm {
    /// Six digits of the app.
    pub code: String,
}

/// Backup codes, each good once; shown this once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackupCodes {
    /// The codes.
    pub codes: Vec<Token>,
}

/// `GET /auth/sessions`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionList {
    /// The last used first.
    pub sessions: Vec<SessionInfo>,
}

/// One session of the caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Its id, a UUID.
    pub id: String,
    /// What the client called itself.
    pub client: String,
    /// Unix seconds at which it was opened.
    pub created: UnixSeconds,
    /// Unix seconds at which it was opened or last renewed.
    pub last_used: UnixSeconds,
    /// Unix seconds at which it ends unless it is renewed.
    pub expires_at: UnixSeconds,
    /// Whether it was opened with a second factor.
    pub second_factor: bool,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// How many sessions were ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionsEnded {
    /// How many.
    pub ended: u64,
}
