//! The grant: one recipient's wrapped file key, signed by who gives it.
//!
//! | offset | length | field |
//! |---|---|---|
//! | 0 | 8 | magic `WXWGGR01` |
//! | 8 | 2 | wrap |
//! | 10 | 2 | suite |
//! | 12 | 16 | file id |
//! | 28 | 32 | content id |
//! | 60 | 32 | recipient id |
//! | 92 | 32 | grantor's root id |
//! | 124 | 8 | lowest revision of the manifest |
//! | 132 | 8 | not after, Unix seconds, 0 = never |
//! | 140 | 2+e | encapsulated key |
//! | | 2+c | wrapped file key |
//! | | 64 | signature (signed suite only) |

use std::ops::Range;

use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};
use crate::hash::sha256;
use crate::ids::{ContentId, FileId, RecipientId, RootId};
use crate::small::check_small;
use crate::wire::Reader;
use crate::{ParseError, Suite, Wrap};

/// First eight bytes of a grant.
pub const MAGIC: &[u8; 8] = b"WXWGGR01";
/// What the signature covers before the grant's own bytes.
pub const SIGNATURE_CONTEXT: &[u8] = b"waxwing/v1/grant\0";
/// Longest grant in bytes: X-Wing, signed.
pub const MAX_LEN: usize = HEAD_LEN + 2 + 1120 + 2 + 48 + 64;
/// Bytes before the encapsulated key.
pub const HEAD_LEN: usize = 140;

/// The id of a recipient: SHA-256(`"waxwing/v1/recipient\0"` ‖ wrap ‖ root id (zeros for a bare
/// key) ‖ key).
///
/// `key` is a DER SubjectPublicKeyInfo for RSA, or the 1216 bytes of an X-Wing key. For a link
/// use [`RecipientId::of_link`].
pub fn recipient_id(wrap: Wrap, root: Option<RootId>, key: &[u8]) -> RecipientId {
    let root = root.unwrap_or(RootId::ZERO);
    RecipientId::from_bytes(sha256(&[b"waxwing/v1/recipient\0", &wrap.to_bytes(), root.as_bytes(), key]))
}

/// The fields of a grant before the encapsulated key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantHead {
    /// How the file key is wrapped.
    pub wrap: Wrap,
    /// Who vouches.
    pub suite: Suite,
    /// The file.
    pub file_id: FileId,
    /// The content, as the manifest's fields give it.
    pub content_id: ContentId,
    /// For whom.
    pub recipient_id: RecipientId,
    /// Who gives; zero exactly for the anonymous suite.
    pub grantor_root_id: RootId,
    /// A manifest of a lower revision is refused.
    pub min_revision: u64,
    /// Unix seconds, 0 = never. Shown as policy; nothing cryptographic follows from it.
    pub not_after: u64,
}

impl GrantHead {
    /// The 140 bytes before the encapsulated key.
    pub fn to_bytes(&self) -> [u8; HEAD_LEN] {
        let mut bytes = Vec::with_capacity(HEAD_LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.wrap.to_bytes());
        bytes.extend_from_slice(&self.suite.to_bytes());
        bytes.extend_from_slice(self.file_id.as_bytes());
        bytes.extend_from_slice(self.content_id.as_bytes());
        bytes.extend_from_slice(self.recipient_id.as_bytes());
        bytes.extend_from_slice(self.grantor_root_id.as_bytes());
        bytes.extend_from_slice(&self.min_revision.to_be_bytes());
        bytes.extend_from_slice(&self.not_after.to_be_bytes());
        bytes.try_into().expect("the fields are 140 bytes together")
    }

    /// What the wrapped key is bound to: SHA-256(`"waxwing/v1/grant-key\0"` ‖ the 140 bytes).
    pub fn bound(&self) -> [u8; 32] {
        sha256(&[b"waxwing/v1/grant-key\0", &self.to_bytes()])
    }

    /// The bytes that the signature covers; an anonymous grant ends there.
    pub fn encode(&self, encapsulated: &[u8], wrapped: &[u8]) -> Result<Vec<u8>, ParseError> {
        let mut bytes = self.to_bytes().to_vec();
        bytes.reserve(4 + encapsulated.len() + wrapped.len() + 64);
        for field in [encapsulated, wrapped] {
            let len =
                u16::try_from(field.len()).map_err(|_| ParseError::OutOfRange { field: "wrapped key" })?;
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(field);
        }
        Ok(bytes)
    }
}

/// A grant in its canonical bytes. Parsing proves its shape, not its truth: see [`Grant::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    bytes: Box<[u8]>,
    head: GrantHead,
    encapsulated: Range<usize>,
    wrapped: Range<usize>,
}

impl Grant {
    /// Parses the whole of `bytes` as one grant.
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Result<Self, ParseError> {
        let bytes = bytes.into().into_boxed_slice();
        let mut reader = Reader::new(&bytes);
        reader.magic(MAGIC)?;
        let wrap = Wrap::from_code(reader.u16("wrap")?)?;
        let suite = Suite::from_code(reader.u16("suite")?)?;
        let head = GrantHead {
            wrap,
            suite,
            file_id: FileId::from_bytes(reader.array("file id")?),
            content_id: ContentId::from_bytes(reader.array("content id")?),
            recipient_id: RecipientId::from_bytes(reader.array("recipient")?),
            grantor_root_id: RootId::from_bytes(reader.array("grantor")?),
            min_revision: reader.u53("lowest revision")?,
            not_after: reader.u53("not after")?,
        };
        if head.grantor_root_id.is_zero() != (suite == Suite::Anonymous) {
            return Err(ParseError::Contradiction { field: "grantor" });
        }
        if wrap == Wrap::Link && head.recipient_id.as_bytes()[16..] != [0; 16] {
            return Err(ParseError::Contradiction { field: "recipient" });
        }
        let encapsulated = sized(&mut reader, "encapsulated key")?;
        let wrapped = sized(&mut reader, "wrapped key")?;
        if !wrap.sizes_are_legal(encapsulated.len(), wrapped.len()) {
            return Err(ParseError::OutOfRange { field: "wrapped key" });
        }
        if wrap == Wrap::Link {
            check_small(&bytes[wrapped.clone()], "wrapped key")?;
        }
        if suite == Suite::Signed {
            reader.take(64, "signature")?;
        }
        reader.finish()?;
        Ok(Self { bytes, head, encapsulated, wrapped })
    }

    /// All fields before the encapsulated key together.
    pub fn head(&self) -> &GrantHead {
        &self.head
    }

    /// How the file key is wrapped.
    pub fn wrap(&self) -> Wrap {
        self.head.wrap
    }

    /// Who vouches.
    pub fn suite(&self) -> Suite {
        self.head.suite
    }

    /// The file.
    pub fn file_id(&self) -> FileId {
        self.head.file_id
    }

    /// The content this grant opens.
    pub fn content_id(&self) -> ContentId {
        self.head.content_id
    }

    /// For whom.
    pub fn recipient_id(&self) -> RecipientId {
        self.head.recipient_id
    }

    /// Who gives; zero exactly for the anonymous suite.
    pub fn grantor_root_id(&self) -> RootId {
        self.head.grantor_root_id
    }

    /// A manifest of a lower revision is refused.
    pub fn min_revision(&self) -> u64 {
        self.head.min_revision
    }

    /// Unix seconds, 0 = never.
    pub fn not_after(&self) -> u64 {
        self.head.not_after
    }

    /// The encapsulated key: 1120 bytes for X-Wing, otherwise empty.
    pub fn encapsulated_key(&self) -> &[u8] {
        &self.bytes[self.encapsulated.clone()]
    }

    /// The wrapped file key.
    pub fn wrapped_key(&self) -> &[u8] {
        &self.bytes[self.wrapped.clone()]
    }

    /// Everything that the signature covers, without its context.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.bytes[..self.wrapped.end]
    }

    /// The grantor's signature; `None` exactly for the anonymous suite.
    pub fn signature(&self) -> Option<Signature> {
        self.bytes[self.wrapped.end..].try_into().ok().map(Signature::from_bytes)
    }

    /// What the wrapped key is bound to.
    pub fn bound(&self) -> [u8; 32] {
        self.head.bound()
    }

    /// Checks that `grantor` is the root this grant names and that it signed the grant.
    ///
    /// An anonymous grant has nothing that verifies.
    pub fn verify(&self, grantor: &PublicKey) -> Result<(), BadSignature> {
        let signature = self.signature().ok_or(BadSignature)?;
        if RootId::of(grantor) != self.grantor_root_id() {
            return Err(BadSignature);
        }
        verify_strict(grantor, &[SIGNATURE_CONTEXT, self.signed_bytes()], &signature)
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn sized(reader: &mut Reader<'_>, field: &'static str) -> Result<Range<usize>, ParseError> {
    let len = reader.u16(field)?;
    let start = reader.position();
    reader.take(len.into(), field)?;
    Ok(start..reader.position())
}
