//! The identity bundle: a person's root key and the keys that files are sealed to.
//!
//! `WXWGID01 ‖ user id 16 ‖ seq 4 ‖ previous hash 32 ‖ root key 32 ‖ previous root key 32 ‖
//! created 8 ‖ lowest format 2 ‖ address 2+n ‖ count 2 ‖ keys{usage 1, algorithm 1, not before 8,
//! not after 8, key 2+n} ‖ signature 64 ‖ signature of the previous root 64`

use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};
use crate::hash::sha256;
use crate::ids::{RootId, UserId};
use crate::wire::Reader;
use crate::{Address, ParseError};

/// First eight bytes of a bundle.
pub const MAGIC: &[u8; 8] = b"WXWGID01";
/// What the root's signature covers before the bundle's own bytes.
pub const SIGNATURE_CONTEXT: &[u8] = b"waxwing/v1/identity\0";
/// What the previous root's signature covers before the bundle's own bytes.
pub const ROTATION_CONTEXT: &[u8] = b"waxwing/v1/identity-rotation\0";
/// Most bundles that a reader who is behind accepts at once.
pub const MAX_CHAIN: usize = 64;
/// Longest bundle in bytes.
pub const MAX_LEN: usize = 65_536;
/// Bytes of an X-Wing public key.
pub const XWING_PUBLIC_LEN: usize = 1216;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyUsage {
    /// Grants of this format (1).
    V1 = 1,
    /// The compatible older format only (2).
    V0Only = 2,
}

/// What kind of key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyAlgorithm {
    /// RSA, DER SubjectPublicKeyInfo of a 2048, 3072 or 4096 bit key with e = 65537 (1).
    Rsa = 1,
    /// X-Wing, 1216 bytes (2).
    XWing = 2,
}

impl KeyAlgorithm {
    fn len_is_legal(self, len: usize) -> bool {
        match self {
            Self::Rsa => matches!(len, 294 | 422 | 550),
            Self::XWing => len == XWING_PUBLIC_LEN,
        }
    }
}

/// One key of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleKey {
    /// What it may be used for.
    pub usage: KeyUsage,
    /// What kind of key it is.
    pub algorithm: KeyAlgorithm,
    /// Unix seconds from which it is valid.
    pub not_before: u64,
    /// Unix seconds until which it is valid, 0 = always.
    pub not_after: u64,
    /// The public key, in the encoding of its algorithm.
    pub key: Box<[u8]>,
}

/// The fields of a bundle that its signatures cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleBody {
    /// Whose it is, at this server.
    pub user_id: UserId,
    /// Counts bundles, from 1.
    pub seq: u32,
    /// [`Bundle::hash`] of the bundle before; zeros exactly at seq 1.
    pub prev_hash: [u8; 32],
    /// The person.
    pub root_key: PublicKey,
    /// The root before, when this bundle links one.
    pub prev_root: Option<PublicKey>,
    /// Unix seconds.
    pub created: u64,
    /// Lowest format version this person accepts.
    pub min_format: u16,
    /// The address this bundle stands for.
    pub address: Address,
    /// Keys that files are sealed to.
    pub keys: Vec<BundleKey>,
}

impl BundleBody {
    /// The bytes that the signatures cover. The signature of the root and 64 bytes for the previous
    /// root (zeros without one) are appended by who holds the keys; [`Bundle::parse`] then judges the whole.
    pub fn encode(&self) -> Result<Vec<u8>, ParseError> {
        let len16 = |len: usize, field| {
            u16::try_from(len).map(u16::to_be_bytes).map_err(|_| ParseError::OutOfRange { field })
        };
        let address = self.address.as_str().as_bytes();
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(self.user_id.as_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.prev_hash);
        bytes.extend_from_slice(self.root_key.as_bytes());
        bytes.extend_from_slice(self.prev_root.as_ref().map_or(&[0_u8; 32], |root| root.as_bytes()));
        bytes.extend_from_slice(&self.created.to_be_bytes());
        bytes.extend_from_slice(&self.min_format.to_be_bytes());
        bytes.extend_from_slice(&len16(address.len(), "address")?);
        bytes.extend_from_slice(address);
        bytes.extend_from_slice(&len16(self.keys.len(), "keys")?);
        for key in &self.keys {
            bytes.extend_from_slice(&[key.usage as u8, key.algorithm as u8]);
            bytes.extend_from_slice(&key.not_before.to_be_bytes());
            bytes.extend_from_slice(&key.not_after.to_be_bytes());
            bytes.extend_from_slice(&len16(key.key.len(), "key")?);
            bytes.extend_from_slice(&key.key);
        }
        Ok(bytes)
    }
}

/// A bundle in its canonical bytes. Parsing proves its shape, not its truth: see [`Bundle::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    bytes: Box<[u8]>,
    body: BundleBody,
}

impl Bundle {
    /// Parses the whole of `bytes` as one bundle.
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Result<Self, ParseError> {
        let bytes = bytes.into().into_boxed_slice();
        if bytes.len() > MAX_LEN {
            return Err(ParseError::OutOfRange { field: "bundle" });
        }
        let mut reader = Reader::new(&bytes);
        reader.magic(MAGIC)?;
        let user_id = UserId::from_bytes(reader.array("user id")?);
        let seq = reader.u32("sequence")?;
        if seq == 0 {
            return Err(ParseError::OutOfRange { field: "sequence" });
        }
        let prev_hash: [u8; 32] = reader.array("previous hash")?;
        if (prev_hash == [0; 32]) != (seq == 1) {
            return Err(ParseError::Contradiction { field: "previous hash" });
        }
        let root_key = PublicKey::from_bytes(reader.array("root key")?);
        let prev_root: [u8; 32] = reader.array("previous root key")?;
        let prev_root = (prev_root != [0; 32]).then(|| PublicKey::from_bytes(prev_root));
        let created = reader.u53("created")?;
        let min_format = reader.u16("lowest format")?;
        let address_len = reader.u16("address")?;
        let address = std::str::from_utf8(reader.take(address_len.into(), "address")?)
            .map_err(|_| ParseError::Spelling { field: "address" })?;
        let address = Address::parse_canonical(address)?;
        let keys = (0..reader.u16("keys")?).map(|_| parse_key(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        reader.take(64, "signature")?;
        let prev_signature = reader.take(64, "signature of the previous root")?;
        if (prev_signature == [0; 64]) != prev_root.is_none() {
            return Err(ParseError::Contradiction { field: "signature of the previous root" });
        }
        reader.finish()?;
        let body =
            BundleBody { user_id, seq, prev_hash, root_key, prev_root, created, min_format, address, keys };
        Ok(Self { bytes, body })
    }

    /// All signed fields together.
    pub fn body(&self) -> &BundleBody {
        &self.body
    }

    /// Whose it is, at this server.
    pub fn user_id(&self) -> UserId {
        self.body.user_id
    }

    /// Counts bundles, from 1.
    pub fn seq(&self) -> u32 {
        self.body.seq
    }

    /// [`Bundle::hash`] of the bundle before; zeros exactly at seq 1.
    pub fn prev_hash(&self) -> &[u8; 32] {
        &self.body.prev_hash
    }

    /// The person's root key.
    pub fn root_key(&self) -> &PublicKey {
        &self.body.root_key
    }

    /// The person's root id.
    pub fn root_id(&self) -> RootId {
        RootId::of(&self.body.root_key)
    }

    /// The root before, when this bundle links one.
    pub fn prev_root(&self) -> Option<&PublicKey> {
        self.body.prev_root.as_ref()
    }

    /// Unix seconds.
    pub fn created(&self) -> u64 {
        self.body.created
    }

    /// Lowest format version this person accepts.
    pub fn min_format(&self) -> u16 {
        self.body.min_format
    }

    /// The address this bundle stands for.
    pub fn address(&self) -> &Address {
        &self.body.address
    }

    /// Keys that files are sealed to.
    pub fn keys(&self) -> &[BundleKey] {
        &self.body.keys
    }

    /// The first key of this format and algorithm that is valid at `now` (Unix seconds).
    pub fn key_for(&self, algorithm: KeyAlgorithm, now: u64) -> Option<&BundleKey> {
        self.body.keys.iter().find(|key| {
            key.usage == KeyUsage::V1
                && key.algorithm == algorithm
                && key.not_before <= now
                && (key.not_after == 0 || now <= key.not_after)
        })
    }

    /// Everything that the signatures cover, without their contexts.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - 128]
    }

    /// Checks the root's own signature, and the previous root's when the bundle links one.
    ///
    /// It proves that the holder of the root made the bundle; whether that root is the right
    /// person is a matter of pins and of [`Bundle::follows`].
    pub fn verify(&self) -> Result<(), BadSignature> {
        let signature = |from: usize| {
            Signature::from_bytes(self.bytes[from..from + 64].try_into().expect("parsing checked the length"))
        };
        let end = self.signed_bytes().len();
        verify_strict(&self.body.root_key, &[SIGNATURE_CONTEXT, self.signed_bytes()], &signature(end))?;
        match &self.body.prev_root {
            Some(root) => verify_strict(root, &[ROTATION_CONTEXT, self.signed_bytes()], &signature(end + 64)),
            None => Ok(()),
        }
    }

    /// What the next bundle names as its predecessor: SHA-256(`"waxwing/v1/identity-hash\0"` ‖ all bytes).
    pub fn hash(&self) -> [u8; 32] {
        sha256(&[b"waxwing/v1/identity-hash\0", &self.bytes])
    }

    /// Checks that this bundle comes right after `previous`: same user, next number, its hash, and the
    /// same root or one that the previous root signed over to. Checks this bundle's signatures too.
    pub fn follows(&self, previous: &Self) -> Result<(), ChainError> {
        if self.user_id() != previous.user_id() {
            return Err(ChainError::DifferentUser);
        }
        if previous.seq().checked_add(1) != Some(self.seq()) {
            return Err(ChainError::Sequence);
        }
        if *self.prev_hash() != previous.hash() {
            return Err(ChainError::PreviousHash);
        }
        if self.root_key() != previous.root_key() && self.prev_root() != Some(previous.root_key()) {
            return Err(ChainError::UnlinkedRoot);
        }
        Ok(self.verify()?)
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why bundles are not a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// There is no bundle, or there are more than [`MAX_CHAIN`] after the first.
    #[error("the chain of bundles is empty or too long")]
    Length,
    /// A bundle is of another user.
    #[error("a bundle belongs to another user")]
    DifferentUser,
    /// A bundle is missing, repeated or out of order.
    #[error("a bundle is out of sequence")]
    Sequence,
    /// A bundle names another predecessor.
    #[error("a bundle names another predecessor")]
    PreviousHash,
    /// The root changed and the previous root did not sign for it: a new person until a human says otherwise.
    #[error("the root key changed without a link from the previous one")]
    UnlinkedRoot,
    /// A signature does not verify.
    #[error("a bundle is not signed by its root")]
    Signature,
}

impl From<BadSignature> for ChainError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

/// Checks that each bundle is signed and follows the one before; the first may have any number.
pub fn verify_chain(bundles: &[Bundle]) -> Result<(), ChainError> {
    let (first, rest) = bundles.split_first().ok_or(ChainError::Length)?;
    if rest.len() > MAX_CHAIN {
        return Err(ChainError::Length);
    }
    first.verify()?;
    let mut previous = first;
    for bundle in rest {
        bundle.follows(previous)?;
        previous = bundle;
    }
    Ok(())
}

fn parse_key(reader: &mut Reader<'_>) -> Result<BundleKey, ParseError> {
    let usage = match reader.u8("key usage")? {
        1 => KeyUsage::V1,
        2 => KeyUsage::V0Only,
        _ => return Err(ParseError::UnknownCode { field: "key usage" }),
    };
    let algorithm = match reader.u8("key algorithm")? {
        1 => KeyAlgorithm::Rsa,
        2 => KeyAlgorithm::XWing,
        _ => return Err(ParseError::UnknownCode { field: "key algorithm" }),
    };
    let not_before = reader.u53("key not before")?;
    let not_after = reader.u53("key not after")?;
    let len = usize::from(reader.u16("key")?);
    if !algorithm.len_is_legal(len) {
        return Err(ParseError::OutOfRange { field: "key" });
    }
    let key = reader.take(len, "key")?.into();
    Ok(BundleKey { usage, algorithm, not_before, not_after, key })
}
