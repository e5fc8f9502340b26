//! The record of pins that a person's devices share.

use crate::B64;
use serde::{Deserialize, Serialize};

/// `PUT /pins`: puts a record in the place of the one that was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutPins {
    /// The version of the record that this one takes the place of; 0 if there was none.
    pub previous: u64,
    /// The whole record, sealed and signed.
    pub record: B64,
}

/// `GET /pins`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PinsReply {
    /// The whole record.
    pub record: B64,
}
