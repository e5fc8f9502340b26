//! Drop boxes as a server knows them: their id, and what their owner has signed about them.
//!
//! `WXWGBX01 ‖ box id 16 ‖ owner root id 32 ‖ created 8 ‖ ends 8 ‖ max files 4 ‖ max body 8 ‖ M 4 ‖ sealed words M ‖ signature 64`

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};
use crate::segment::{BodyShape, MAX_BODY_LEN};
use crate::small::{SMALL_OVERHEAD, check_small};
use crate::wire::Reader;
use crate::{LinkId, ParseError, RootId};

/// First eight bytes of the description of a box.
pub const MAGIC: &[u8; 8] = b"WXWGBX01";
/// Bytes before the sealed words.
pub const HEAD_LEN: usize = 88;
/// What the signature covers before the description's own bytes.
pub const SIGNATURE_CONTEXT: &[u8] = b"waxwing/v1/box\0";
/// What the seal of the words covers before the head.
pub const WORDS_CONTEXT: &[u8] = b"waxwing/v1/box-words\0";
/// The plaintext of the words is a multiple of this.
pub const WORDS_BLOCK: usize = 512;
/// So many blocks at most.
pub const WORDS_BLOCKS_MAX: usize = 8;
/// Longest description in bytes.
pub const MAX_LEN: usize = HEAD_LEN + SMALL_OVERHEAD + WORDS_BLOCK * WORDS_BLOCKS_MAX + 64;

/// One drop box: 16 random bytes made by its owner, base64url without padding in text.
///
/// Whoever knows it can send into the box: `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BoxId(LinkId);

impl BoxId {
    /// The id made of these 16 bytes; any bytes are an id.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(LinkId::from_bytes(bytes))
    }

    /// The 16 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for BoxId {
    /// 22 characters of base64url, spelled as the id of a link.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BoxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxId")
    }
}

impl FromStr for BoxId {
    type Err = ParseError;

    /// Accepts the one spelling only.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse().map(Self).map_err(|_| ParseError::Spelling { field: "box id" })
    }
}

impl Serialize for BoxId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BoxId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What everybody may know of a box, its server included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxTerms {
    /// Which box.
    pub box_id: BoxId,
    /// The root of whoever made it, which signs.
    pub owner: RootId,
    /// Unix seconds at which it was made.
    pub created: u64,
    /// Unix seconds at which it ends, after `created`.
    pub ends: u64,
    /// How many files it takes; 0: any number.
    pub max_files: u32,
    /// Bytes of the longest sealed body that it takes; 0: what the server takes.
    pub max_body: u64,
}

impl BoxTerms {
    /// The bytes before the length of the words, which their seal is bound to.
    pub fn to_bytes(&self) -> [u8; HEAD_LEN - 4] {
        let mut bytes = Vec::with_capacity(HEAD_LEN - 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(self.box_id.as_bytes());
        bytes.extend_from_slice(self.owner.as_bytes());
        bytes.extend_from_slice(&self.created.to_be_bytes());
        bytes.extend_from_slice(&self.ends.to_be_bytes());
        bytes.extend_from_slice(&self.max_files.to_be_bytes());
        bytes.extend_from_slice(&self.max_body.to_be_bytes());
        bytes.try_into().expect("the fields are 84 bytes together")
    }

    /// The bytes that the signature covers.
    pub fn encode(&self, words: &[u8]) -> Result<Vec<u8>, ParseError> {
        let len = u32::try_from(words.len()).map_err(|_| ParseError::OutOfRange { field: "words" })?;
        Ok([self.to_bytes().as_slice(), &len.to_be_bytes(), words].concat())
    }
}

/// The signed description of a box in its canonical bytes. Parsing proves its shape, not its truth: see
/// [`BoxDescription::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxDescription {
    bytes: Box<[u8]>,
    terms: BoxTerms,
    signature: Signature,
}

impl BoxDescription {
    /// Parses the whole of `bytes` as one description.
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Result<Self, ParseError> {
        let bytes = bytes.into().into_boxed_slice();
        let mut reader = Reader::new(&bytes);
        reader.magic(MAGIC)?;
        let box_id = BoxId::from_bytes(reader.array("box id")?);
        let owner = RootId::from_bytes(reader.array("owner")?);
        let created = reader.u53("creation")?;
        let ends = reader.u53("end")?;
        let max_files = reader.u32("number of files")?;
        let max_body = reader.u53("longest body")?;
        if owner.is_zero() {
            return Err(ParseError::Contradiction { field: "owner" });
        }
        if ends <= created {
            return Err(ParseError::Contradiction { field: "end" });
        }
        if max_body > MAX_BODY_LEN || (max_body > 0 && BodyShape::from_body_len(max_body).is_err()) {
            return Err(ParseError::OutOfRange { field: "longest body" });
        }
        let len = reader.u32("words")? as usize;
        let blocks = len.checked_sub(SMALL_OVERHEAD).ok_or(ParseError::OutOfRange { field: "words" })?;
        if !blocks.is_multiple_of(WORDS_BLOCK) || !(1..=WORDS_BLOCKS_MAX).contains(&(blocks / WORDS_BLOCK)) {
            return Err(ParseError::OutOfRange { field: "words" });
        }
        check_small(reader.take(len, "words")?, "words")?;
        let signature = Signature::from_bytes(reader.array("signature")?);
        reader.finish()?;
        let terms = BoxTerms { box_id, owner, created, ends, max_files, max_body };
        Ok(Self { bytes, terms, signature })
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What everybody may know.
    pub fn terms(&self) -> &BoxTerms {
        &self.terms
    }

    /// The sealed words: a small message.
    pub fn words(&self) -> &[u8] {
        &self.bytes[HEAD_LEN..self.bytes.len() - 64]
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Checks that the holder of `root` signed this, and that it names that root.
    pub fn verify(&self, root: &PublicKey) -> Result<(), BadSignature> {
        if RootId::of(root) != self.terms.owner {
            return Err(BadSignature);
        }
        let signed = &self.bytes[..self.bytes.len() - 64];
        verify_strict(root, &[SIGNATURE_CONTEXT, signed], &self.signature)
    }
}
