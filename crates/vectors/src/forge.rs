//! Whole objects of the format, each step of which can be done wrongly on request.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeS, Serializable};
use num_bigint::BigUint;

use crate::cbor;
use crate::primitives::{Floe, Seeded, hkdf, hmac_sha256, leaf, padme, sha256, small, tree};

/// Plaintext of a full segment.
pub(crate) const PLAIN: usize = 262_112;
pub(crate) const SIGNED: u16 = 1;
pub(crate) const ANONYMOUS: u16 = 3;

/// A person: a root that signs and an X-Wing key that files are sealed to.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) root_seed: [u8; 32],
    pub(crate) root: [u8; 32],
    pub(crate) xwing_seed: [u8; 32],
    pub(crate) xwing: Vec<u8>,
}

impl Person {
    pub(crate) fn new(name: &'static str) -> Self {
        let mut rng = Seeded::new(&format!("person {name}"));
        let (root_seed, xwing_seed) = (rng.bytes(), rng.bytes());
        let root = key_pair(&root_seed).public_key().as_ref().try_into().expect("32 bytes");
        let private = <XWing as Kem>::PrivateKey::from_bytes(&xwing_seed).expect("a seed");
        let xwing = XWing::sk_to_pk(&private).to_bytes().to_vec();
        Self { name, root_seed, root, xwing_seed, xwing }
    }

    pub(crate) fn root_id(&self) -> [u8; 32] {
        root_id(&self.root)
    }

    pub(crate) fn sign(&self, context: &str, message: &[u8]) -> [u8; 64] {
        let signed = [context.as_bytes(), b"\0", message].concat();
        key_pair(&self.root_seed).sign(&signed).as_ref().try_into().expect("64 bytes")
    }

    /// A grant's recipient: this person's X-Wing key.
    pub(crate) fn recipient(&self) -> Recipient {
        Recipient { root_id: self.root_id(), key: Key::XWing(self.xwing.clone()) }
    }
}

pub(crate) fn key_pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed")
}

pub(crate) fn root_id(root: &[u8; 32]) -> [u8; 32] {
    sha256(&[b"waxwing/v1/root\0", root])
}

/// Metadata that a file usually has; a case changes what it is about.
#[derive(Clone)]
pub(crate) struct Metadata {
    pub(crate) name: Vec<u8>,
    pub(crate) media_type: String,
    pub(crate) original: u64,
    pub(crate) stored: u64,
    pub(crate) compression: u64,
    pub(crate) padding: u64,
    pub(crate) modified: i64,
    pub(crate) more: Vec<(u64, Vec<u8>)>,
}

impl Metadata {
    pub(crate) fn of(len: usize) -> Self {
        Self {
            name: b"report.txt".to_vec(),
            media_type: "text/plain".into(),
            original: len as u64,
            stored: len as u64,
            compression: 0,
            padding: 0,
            modified: 1_700_000_000_000,
            more: Vec::new(),
        }
    }

    pub(crate) fn entries(&self) -> Vec<(u64, Vec<u8>)> {
        let mut entries = vec![
            (1, cbor::text(&self.name)),
            (2, cbor::text(self.media_type.as_bytes())),
            (3, cbor::uint(self.original)),
            (4, cbor::uint(self.stored)),
            (5, cbor::uint(self.compression)),
            (6, cbor::uint(self.padding)),
            (7, cbor::int(self.modified)),
        ];
        entries.extend(self.more.iter().cloned());
        entries
    }
}

/// u32 length ‖ CBOR ‖ zeros up to a multiple of 512.
pub(crate) fn framed(cbor: &[u8]) -> Vec<u8> {
    let mut plain = u32::try_from(cbor.len()).expect("short").to_be_bytes().to_vec();
    plain.extend_from_slice(cbor);
    plain.resize(plain.len().next_multiple_of(512), 0);
    plain
}

/// A file before it is sealed. Every field can be changed before [`File::seal`].
pub(crate) struct File<'p> {
    pub(crate) suite: u16,
    pub(crate) file_id: [u8; 16],
    pub(crate) fk: [u8; 32],
    pub(crate) revision: u64,
    pub(crate) author: Option<&'p Person>,
    /// What is sealed, padding included.
    pub(crate) payload: Vec<u8>,
    /// The sealed metadata's plaintext.
    pub(crate) metadata: Vec<u8>,
    rng: Seeded,
}

/// A sealed file; its parts can be changed and the manifest made again over them.
pub(crate) struct Sealed<'p> {
    pub(crate) file: File<'p>,
    pub(crate) floe: Floe,
    pub(crate) segments: Vec<Vec<u8>>,
    pub(crate) sealed_metadata: Vec<u8>,
    pub(crate) body_len: u64,
    pub(crate) body_root: [u8; 32],
}

impl<'p> File<'p> {
    /// A file of `content`, neither compressed nor padded, signed by `author`.
    pub(crate) fn new(label: &str, author: Option<&'p Person>, content: &[u8]) -> Self {
        Self::with(label, author, content, &Metadata::of(content.len()))
    }

    pub(crate) fn with(label: &str, author: Option<&'p Person>, payload: &[u8], metadata: &Metadata) -> Self {
        let mut rng = Seeded::new(label);
        let mut file_id: [u8; 16] = rng.bytes();
        file_id[6] = file_id[6] & 0x0f | 0x40;
        file_id[8] = file_id[8] & 0x3f | 0x80;
        let fk = rng.bytes();
        Self {
            suite: if author.is_some() { SIGNED } else { ANONYMOUS },
            file_id,
            fk,
            revision: 1,
            author,
            payload: payload.to_vec(),
            metadata: framed(&cbor::map(&metadata.entries())),
            rng,
        }
    }

    /// The payload padded as the metadata's key 6 = 1 asks.
    pub(crate) fn padded(mut self) -> Self {
        self.payload.resize(usize::try_from(padme(self.payload.len() as u64)).expect("short"), 0);
        self
    }

    pub(crate) fn author_id(&self) -> [u8; 32] {
        self.author.map_or([0; 32], Person::root_id)
    }

    fn key(&self, role: &str) -> [u8; 32] {
        hkdf(&self.fk, &self.file_id, &format!("waxwing/v1/key/{role}"))
    }

    /// Seals the payload in segments of the lengths that the format asks for.
    pub(crate) fn seal(self) -> Sealed<'p> {
        let pieces: Vec<Vec<u8>> = match self.payload.as_slice() {
            [] => vec![Vec::new()],
            payload => payload.chunks(PLAIN).map(<[u8]>::to_vec).collect(),
        };
        self.seal_pieces(&pieces)
    }

    /// Seals the payload in segments as they are cut here.
    pub(crate) fn seal_pieces(mut self, pieces: &[Vec<u8>]) -> Sealed<'p> {
        let id = self.author_id();
        let aad =
            [b"waxwing/v1/payload\0".as_slice(), &self.suite.to_be_bytes(), &self.file_id, &id].concat();
        let floe = Floe::new(&self.key("payload"), &aad, &mut self.rng);
        let count = pieces.len();
        let segments = pieces
            .iter()
            .enumerate()
            .map(|(n, piece)| floe.seal(n as u64, n + 1 == count, piece, &mut self.rng))
            .collect();
        let mut sealed = Sealed {
            file: self,
            floe,
            segments,
            sealed_metadata: Vec::new(),
            body_len: 0,
            body_root: [0; 32],
        };
        sealed.measure();
        sealed.seal_metadata();
        sealed
    }
}

impl Sealed<'_> {
    /// Sets length and root to those of the segments as they are now.
    pub(crate) fn measure(&mut self) {
        self.body_len = self.body().len() as u64;
        self.body_root = tree(&self.leaves());
    }

    pub(crate) fn leaves(&self) -> Vec<[u8; 32]> {
        self.segments.iter().map(|segment| leaf(segment)).collect()
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.segments.concat()
    }

    /// Seals the metadata for the file's present revision.
    pub(crate) fn seal_metadata(&mut self) {
        let file = &mut self.file;
        let aad = [
            b"waxwing/v1/metadata\0".as_slice(),
            &file.suite.to_be_bytes(),
            &file.file_id,
            &file.author_id(),
            &file.revision.to_be_bytes(),
            &sha256(&[&self.floe.header]),
        ]
        .concat();
        self.sealed_metadata = small(&file.key("metadata"), &aad, &file.metadata, &mut file.rng);
    }

    pub(crate) fn content_id(&self) -> [u8; 32] {
        sha256(&[
            b"waxwing/v1/content\0",
            &self.file.suite.to_be_bytes(),
            &self.file.file_id,
            &self.file.author_id(),
            &self.floe.header,
            &self.body_len.to_be_bytes(),
            &self.body_root,
        ])
    }

    /// The manifest up to the HMAC.
    pub(crate) fn manifest_head(&self) -> Vec<u8> {
        let len = u32::try_from(self.sealed_metadata.len()).expect("short");
        [
            b"WXWGMF01".as_slice(),
            &self.file.suite.to_be_bytes(),
            &self.file.file_id,
            &self.file.revision.to_be_bytes(),
            &self.file.author_id(),
            &self.floe.header,
            &self.body_len.to_be_bytes(),
            &self.body_root,
            &len.to_be_bytes(),
            &self.sealed_metadata,
        ]
        .concat()
    }

    pub(crate) fn manifest(&self) -> Vec<u8> {
        self.finish_manifest(self.manifest_head(), self.file.author)
    }

    /// HMAC over any head, and a signature by anybody.
    pub(crate) fn finish_manifest(&self, mut bytes: Vec<u8>, signer: Option<&Person>) -> Vec<u8> {
        let code = hmac_sha256(&self.file.key("manifest"), &bytes);
        bytes.extend_from_slice(&code);
        sign(bytes, "waxwing/v1/manifest", signer)
    }

    /// The grant that the author makes.
    pub(crate) fn grant(&mut self, recipient: &Recipient) -> Vec<u8> {
        let head = self.grant_head(recipient);
        self.finish_grant(&head, recipient, self.file.author)
    }

    pub(crate) fn grant_head(&self, recipient: &Recipient) -> GrantHead {
        GrantHead {
            wrap: recipient.key.wrap(),
            suite: self.file.suite,
            file_id: self.file.file_id,
            content_id: self.content_id(),
            recipient_id: recipient.id(),
            grantor: self.file.author_id(),
            min_revision: 1,
            not_after: 0,
        }
    }

    pub(crate) fn rng(&mut self) -> &mut Seeded {
        &mut self.file.rng
    }

    /// Wraps the file key under any head, and has anybody sign.
    pub(crate) fn finish_grant(
        &mut self,
        head: &GrantHead,
        recipient: &Recipient,
        signer: Option<&Person>,
    ) -> Vec<u8> {
        let fk = self.file.fk;
        let (encapsulated, wrapped) = recipient.key.wrap_key(&fk, &head.bound(), self.rng());
        sign(head.with(&encapsulated, &wrapped), "waxwing/v1/grant", signer)
    }
}

pub(crate) fn sign(mut bytes: Vec<u8>, context: &str, signer: Option<&Person>) -> Vec<u8> {
    if let Some(signer) = signer {
        let signature = signer.sign(context, &bytes);
        bytes.extend_from_slice(&signature);
    }
    bytes
}

/// The first 140 bytes of a grant.
#[derive(Clone)]
pub(crate) struct GrantHead {
    pub(crate) wrap: u16,
    pub(crate) suite: u16,
    pub(crate) file_id: [u8; 16],
    pub(crate) content_id: [u8; 32],
    pub(crate) recipient_id: [u8; 32],
    pub(crate) grantor: [u8; 32],
    pub(crate) min_revision: u64,
    pub(crate) not_after: u64,
}

impl GrantHead {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [
            b"WXWGGR01".as_slice(),
            &self.wrap.to_be_bytes(),
            &self.suite.to_be_bytes(),
            &self.file_id,
            &self.content_id,
            &self.recipient_id,
            &self.grantor,
            &self.min_revision.to_be_bytes(),
            &self.not_after.to_be_bytes(),
        ]
        .concat()
    }

    pub(crate) fn bound(&self) -> [u8; 32] {
        sha256(&[b"waxwing/v1/grant-key\0", &self.bytes()])
    }

    pub(crate) fn with(&self, encapsulated: &[u8], wrapped: &[u8]) -> Vec<u8> {
        let len = |bytes: &[u8]| u16::try_from(bytes.len()).expect("short").to_be_bytes();
        [&self.bytes(), len(encapsulated).as_slice(), encapsulated, &len(wrapped), wrapped].concat()
    }
}

/// A key that files are sealed to.
#[derive(Clone)]
pub(crate) enum Key {
    XWing(Vec<u8>),
    /// Modulus and DER SubjectPublicKeyInfo.
    Rsa(BigUint, Vec<u8>),
    /// A link's wrap key and id.
    Link([u8; 32], [u8; 16]),
}

/// A key and the root that vouches for it (zeros for a bare one).
#[derive(Clone)]
pub(crate) struct Recipient {
    pub(crate) root_id: [u8; 32],
    pub(crate) key: Key,
}

impl Recipient {
    pub(crate) fn id(&self) -> [u8; 32] {
        let key = match &self.key {
            Key::XWing(key) | Key::Rsa(_, key) => key,
            Key::Link(_, link_id) => {
                return [link_id.as_slice(), &[0; 16]].concat().try_into().expect("32 bytes");
            }
        };
        sha256(&[b"waxwing/v1/recipient\0", &self.key.wrap().to_be_bytes(), &self.root_id, key])
    }
}

impl Key {
    pub(crate) fn wrap(&self) -> u16 {
        match self {
            Self::Rsa(..) => 1,
            Self::XWing(_) => 2,
            Self::Link(..) => 3,
        }
    }

    pub(crate) fn wrap_key(&self, fk: &[u8; 32], bound: &[u8; 32], rng: &mut Seeded) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::XWing(key) => {
                let key = <XWing as Kem>::PublicKey::from_bytes(key).expect("a key");
                let (encapsulated, wrapped) =
                    hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, XWing>(
                        &OpModeS::Base,
                        &key,
                        bound,
                        fk,
                        &[],
                        rng,
                    )
                    .expect("a key");
                (encapsulated.to_bytes().to_vec(), wrapped)
            }
            Self::Rsa(modulus, _) => (Vec::new(), oaep(modulus, fk, bound, rng)),
            Self::Link(key, _) => (Vec::new(), small(key, bound, fk, rng)),
        }
    }
}

/// RSAES-OAEP-ENCRYPT (RFC 8017, section 7.1.1) with SHA-256, MGF1-SHA-256 and e = 65537.
pub(crate) fn oaep(modulus: &BigUint, message: &[u8], label: &[u8], rng: &mut Seeded) -> Vec<u8> {
    let k = usize::try_from(modulus.bits().div_ceil(8)).expect("at most 512");
    let mut db = sha256(&[label]).to_vec();
    db.resize(k - 33 - 1 - message.len(), 0);
    db.push(1);
    db.extend_from_slice(message);
    let mut seed: [u8; 32] = rng.bytes();
    xor(&mut db, &mgf1(&seed, k - 33));
    xor(&mut seed, &mgf1(&db, 32));
    let encoded = [&[0], seed.as_slice(), &db].concat();
    let cipher = BigUint::from_bytes_be(&encoded).modpow(&BigUint::from(65_537_u32), modulus).to_bytes_be();
    [vec![0; k - cipher.len()], cipher].concat()
}

fn mgf1(seed: &[u8], len: usize) -> Vec<u8> {
    let blocks = 0..u32::try_from(len.div_ceil(32)).expect("short");
    let mut mask: Vec<u8> = blocks.flat_map(|counter| sha256(&[seed, &counter.to_be_bytes()])).collect();
    mask.truncate(len);
    mask
}

fn xor(bytes: &mut [u8], mask: &[u8]) {
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}
