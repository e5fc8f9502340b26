//! The outside of a record of pins: whose, which version, a sealed body, and the owner's signature.
//!
//! `WXWGPN01 ‖ user id 16 ‖ version 8 ‖ body ‖ signature 64`

use crate::ParseError;
use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};
use crate::ids::UserId;
use crate::segment::SEGMENT_LEN;
use crate::small::{HEADER_LEN, check_small};
use crate::wire::Reader;

/// First eight bytes of a record of pins.
pub const MAGIC: &[u8; 8] = b"WXWGPN01";
/// Bytes before the body.
pub const HEAD_LEN: usize = 32;
/// What the root's signature covers before the record's own bytes.
pub const SIGNATURE_CONTEXT: &[u8] = b"waxwing/v1/pins-signature\0";
/// Longest record in bytes.
pub const MAX_LEN: usize = HEAD_LEN + HEADER_LEN + SEGMENT_LEN + 64;

/// A record's layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinsLayout {
    user_id: UserId,
    version: u64,
    body: Box<[u8]>,
    signature: Signature,
}

impl PinsLayout {
    /// Parses the whole of `bytes` as one record. Its signature is not checked.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        reader.magic(MAGIC)?;
        let user_id = UserId::from_bytes(reader.array("user id")?);
        let version = reader.u53("version")?;
        if version == 0 {
            return Err(ParseError::OutOfRange { field: "version" });
        }
        let len = reader.remaining().checked_sub(64).ok_or(ParseError::Truncated { field: "signature" })?;
        let body = reader.take(len, "body")?;
        check_small(body, "body")?;
        let signature = Signature::from_bytes(reader.array("signature")?);
        reader.finish()?;
        Ok(Self { user_id, version, body: body.into(), signature })
    }

    /// The bytes before the body, which its seal covers.
    pub fn head(user_id: UserId, version: u64) -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        head[..8].copy_from_slice(MAGIC);
        head[8..24].copy_from_slice(user_id.as_bytes());
        head[24..].copy_from_slice(&version.to_be_bytes());
        head
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&Self::head(self.user_id, self.version)[..], &self.body, self.signature.as_bytes()].concat()
    }

    /// Checks that the holder of `root` signed this record.
    pub fn verify(&self, root: &PublicKey) -> Result<(), BadSignature> {
        let head = Self::head(self.user_id, self.version);
        verify_strict(root, &[SIGNATURE_CONTEXT, &head, &self.body], &self.signature)
    }

    /// Whose it is.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Counts what was stored, from 1, so that an older copy is noticed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The sealed body: a small message.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
