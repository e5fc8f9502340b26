//! The manifest: what one file is, signed by its author.
//!
//! | offset | length | field |
//! |---|---|---|
//! | 0 | 8 | magic `WXWGMF01` |
//! | 8 | 2 | suite |
//! | 10 | 16 | file id |
//! | 26 | 8 | revision |
//! | 34 | 32 | author's root id |
//! | 66 | 74 | FLOE header of the payload |
//! | 140 | 8 | body length |
//! | 148 | 32 | body root |
//! | 180 | 4 | M, length of the sealed metadata |
//! | 184 | M | sealed metadata |
//! | 184+M | 32 | HMAC |
//! | 216+M | 64 | signature (signed suite only) |

use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};
use crate::hash::sha256;
use crate::ids::{ContentId, FileId, RootId};
use crate::merkle::Node;
use crate::segment::BodyShape;
use crate::small::{HEADER_LEN, SMALL_OVERHEAD, check_header, check_small};
use crate::wire::Reader;
use crate::{ParseError, Suite};

/// First eight bytes of a manifest.
pub const MAGIC: &[u8; 8] = b"WXWGMF01";
/// What the signature covers before the manifest's own bytes.
pub const SIGNATURE_CONTEXT: &[u8] = b"waxwing/v1/manifest\0";
/// Metadata plaintext is a multiple of this many bytes.
pub const METADATA_BLOCK: usize = 512;
/// Most blocks of metadata plaintext.
pub const METADATA_BLOCKS_MAX: usize = 127;
/// Longest manifest in bytes.
pub const MAX_LEN: usize =
    METADATA_AT + SMALL_OVERHEAD + METADATA_BLOCK * METADATA_BLOCKS_MAX + HMAC_LEN + 64;

const METADATA_AT: usize = 184;
const HMAC_LEN: usize = 32;

/// The clear fields of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestHead {
    /// Who vouches.
    pub suite: Suite,
    /// The file.
    pub file_id: FileId,
    /// Counts renames, from 1.
    pub revision: u64,
    /// The author's root id; zero exactly for the anonymous suite.
    pub author_root_id: RootId,
    /// The payload's FLOE header.
    pub payload_header: [u8; HEADER_LEN],
    /// Length and segments of the body.
    pub body: BodyShape,
    /// Root of the integrity tree.
    pub body_root: Node,
}

impl ManifestHead {
    /// The id of the content: SHA-256(`"waxwing/v1/content\0"` ‖ suite ‖ file id ‖ author ‖ payload
    /// header ‖ body length ‖ body root). A rename does not change it.
    pub fn content_id(&self) -> ContentId {
        ContentId::from_bytes(sha256(&[
            b"waxwing/v1/content\0",
            &self.suite.to_bytes(),
            self.file_id.as_bytes(),
            self.author_root_id.as_bytes(),
            &self.payload_header,
            &self.body.body_len().to_be_bytes(),
            self.body_root.as_bytes(),
        ]))
    }

    /// The bytes that the HMAC covers: head, length of the metadata, sealed metadata.
    ///
    /// The HMAC and, for the signed suite, the signature are appended by who holds the keys;
    /// [`Manifest::parse`] then judges the whole.
    pub fn encode(&self, sealed_metadata: &[u8]) -> Result<Vec<u8>, ParseError> {
        let metadata_len = u32::try_from(sealed_metadata.len())
            .map_err(|_| ParseError::OutOfRange { field: "metadata length" })?;
        let mut bytes = Vec::with_capacity(METADATA_AT + sealed_metadata.len() + HMAC_LEN + 64);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.suite.to_bytes());
        bytes.extend_from_slice(self.file_id.as_bytes());
        bytes.extend_from_slice(&self.revision.to_be_bytes());
        bytes.extend_from_slice(self.author_root_id.as_bytes());
        bytes.extend_from_slice(&self.payload_header);
        bytes.extend_from_slice(&self.body.body_len().to_be_bytes());
        bytes.extend_from_slice(self.body_root.as_bytes());
        bytes.extend_from_slice(&metadata_len.to_be_bytes());
        bytes.extend_from_slice(sealed_metadata);
        Ok(bytes)
    }
}

/// A manifest in its canonical bytes. Parsing proves its shape, not its truth: see [`Manifest::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    bytes: Box<[u8]>,
    head: ManifestHead,
    metadata_len: usize,
}

impl Manifest {
    /// Parses the whole of `bytes` as one manifest.
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Result<Self, ParseError> {
        let bytes = bytes.into().into_boxed_slice();
        let mut reader = Reader::new(&bytes);
        reader.magic(MAGIC)?;
        let suite = Suite::from_code(reader.u16("suite")?)?;
        let file_id = FileId::from_bytes(reader.array("file id")?);
        let revision = reader.u53("revision")?;
        if revision == 0 {
            return Err(ParseError::OutOfRange { field: "revision" });
        }
        let author_root_id = RootId::from_bytes(reader.array("author")?);
        if author_root_id.is_zero() != (suite == Suite::Anonymous) {
            return Err(ParseError::Contradiction { field: "author" });
        }
        let payload_header = reader.array("payload header")?;
        check_header(&payload_header)?;
        let body = BodyShape::from_body_len(reader.u53("body length")?)?;
        let body_root = Node::from_bytes(reader.array("body root")?);
        let metadata_len = usize::try_from(reader.u32("metadata length")?)
            .map_err(|_| ParseError::OutOfRange { field: "metadata length" })?;
        check_metadata_len(metadata_len)?;
        check_small(reader.take(metadata_len, "metadata")?, "metadata")?;
        reader.take(HMAC_LEN, "authentication code")?;
        if suite == Suite::Signed {
            reader.take(64, "signature")?;
        }
        reader.finish()?;
        let head = ManifestHead { suite, file_id, revision, author_root_id, payload_header, body, body_root };
        Ok(Self { bytes, head, metadata_len })
    }

    /// All clear fields together.
    pub fn head(&self) -> &ManifestHead {
        &self.head
    }

    /// Who vouches for the file.
    pub fn suite(&self) -> Suite {
        self.head.suite
    }

    /// The file.
    pub fn file_id(&self) -> FileId {
        self.head.file_id
    }

    /// The revision, from 1.
    pub fn revision(&self) -> u64 {
        self.head.revision
    }

    /// The author's root id; zero exactly for the anonymous suite.
    pub fn author_root_id(&self) -> RootId {
        self.head.author_root_id
    }

    /// The payload's FLOE header, 74 bytes.
    pub fn payload_header(&self) -> &[u8; HEADER_LEN] {
        &self.head.payload_header
    }

    /// Length of the sealed body in bytes.
    pub fn body_len(&self) -> u64 {
        self.head.body.body_len()
    }

    /// The body's length and segments.
    pub fn body(&self) -> BodyShape {
        self.head.body
    }

    /// Root of the integrity tree over the body.
    pub fn body_root(&self) -> Node {
        self.head.body_root
    }

    /// The sealed metadata: a small FLOE message.
    pub fn metadata(&self) -> &[u8] {
        &self.bytes[METADATA_AT..METADATA_AT + self.metadata_len]
    }

    /// Everything that the HMAC covers.
    pub fn authenticated_bytes(&self) -> &[u8] {
        &self.bytes[..METADATA_AT + self.metadata_len]
    }

    /// The HMAC over [`Manifest::authenticated_bytes`].
    pub fn hmac(&self) -> &[u8; 32] {
        let at = METADATA_AT + self.metadata_len;
        self.bytes[at..at + HMAC_LEN].try_into().expect("parsing checked the length")
    }

    /// Everything that the signature covers, without its context.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.bytes[..METADATA_AT + self.metadata_len + HMAC_LEN]
    }

    /// The author's signature; `None` exactly for the anonymous suite.
    pub fn signature(&self) -> Option<Signature> {
        let tail = &self.bytes[METADATA_AT + self.metadata_len + HMAC_LEN..];
        tail.try_into().ok().map(Signature::from_bytes)
    }

    /// The id of the content that grants are bound to.
    pub fn content_id(&self) -> ContentId {
        self.head.content_id()
    }

    /// Checks that `author` is the root this manifest names and that it signed the manifest.
    ///
    /// An anonymous manifest has nothing that verifies.
    pub fn verify(&self, author: &PublicKey) -> Result<(), BadSignature> {
        let signature = self.signature().ok_or(BadSignature)?;
        if RootId::of(author) != self.author_root_id() {
            return Err(BadSignature);
        }
        verify_strict(author, &[SIGNATURE_CONTEXT, self.signed_bytes()], &signature)
    }

    /// SHA-256 of the whole manifest: what devices remember together with the revision.
    pub fn digest(&self) -> [u8; 32] {
        sha256(&[&self.bytes])
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn check_metadata_len(len: usize) -> Result<(), ParseError> {
    let plain = len.checked_sub(SMALL_OVERHEAD);
    match plain {
        Some(plain)
            if plain > 0
                && plain.is_multiple_of(METADATA_BLOCK)
                && plain <= METADATA_BLOCK * METADATA_BLOCKS_MAX =>
        {
            Ok(())
        }
        _ => Err(ParseError::OutOfRange { field: "metadata length" }),
    }
}
