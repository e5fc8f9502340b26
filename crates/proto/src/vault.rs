//! The key file that a person keeps at the server.

use crate::{B64, UnixSeconds};
use serde::{Deserialize, Serialize};

/// `PUT /vault`: keeps a key file with a higher number than any before.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutVault {
    /// The whole key file.
    pub vault: B64,
    /// Signature by the root key over `waxwing/v1/action/vault`.
    pub proof: B64,
}

/// `GET /vault`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VaultReply {
    /// The whole key file.
    pub vault: B64,
    /// Its number, which stands in it as well.
    pub version: u32,
    /// Unix seconds at which it came.
    pub stored_at: UnixSeconds,
}

/// `POST /vault/remove`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveVault {
    /// The number of the key file that is to go.
    pub version: u32,
    /// Signature by the root key over `waxwing/v1/action/vault-removal`.
    pub proof: B64,
}
