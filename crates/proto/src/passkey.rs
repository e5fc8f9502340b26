//! Passkeys: the ceremonies of WebAuthn, and the list of them.

use crate::{FactorProof, Token, UnixSeconds};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST /auth/passkeys`: begins to add a passkey.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRequest {
    /// What its owner calls it: 1 to 64 characters.
    pub name: String,
    /// The proof, once keys are published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<FactorProof>,
}

/// A ceremony that has begun; it ends with one use or after five minutes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CeremonyBegun {
    /// To be sent back with what the authenticator gave.
    pub ceremony: Token,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// What `navigator.credentials` takes, in its JSON form (`PublicKeyCredential.parse…OptionsFromJSON` reads the
    /// field `publicKey`).
    pub options: Value,
}

/// `POST /auth/passkeys/finish` and `POST /auth/passkey/session`: what the authenticator gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CeremonyEnd {
    /// The token of [`CeremonyBegun`].
    pub ceremony: Token,
    /// The credential in its JSON form (`credential.toJSON()`).
    pub credential: Value,
}

/// A passkey that was added.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PasskeyAdded {
    /// The passkey.
    pub passkey: PasskeyInfo,
    /// Backup codes, shown this once; none where there was a second factor before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Token>,
}

/// `GET /auth/passkeys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PasskeyList {
    /// The oldest first.
    pub passkeys: Vec<PasskeyInfo>,
}

/// One passkey of the caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PasskeyInfo {
    /// Its id, a UUID.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Unix seconds at which it was added.
    pub created: UnixSeconds,
    /// Unix seconds at which it was last shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<UnixSeconds>,
}

/// `PUT /auth/passkeys/{id}`: another name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRename {
    /// 1 to 64 characters.
    pub name: String,
}

/// `POST /auth/passkey` has no fields: nobody says who they are before the passkey does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeySignIn {}

/// `POST /auth/second/passkey`: begins to show a passkey as the second factor of a sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeySecondRequest {
    /// The token of [`crate::SecondFactor`].
    pub token: Token,
}

/// `POST /auth/second/passkey/finish`: the second factor itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeySecondEnd {
    /// The token of [`crate::SecondFactor`].
    pub token: Token,
    /// The token of [`CeremonyBegun`].
    pub ceremony: Token,
    /// The credential in its JSON form.
    pub credential: Value,
}
