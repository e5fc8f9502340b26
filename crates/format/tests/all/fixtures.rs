//! Files sealed as a client would seal them, and the means to forge.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use envelope::manifest::ManifestHead;
use envelope::merkle::{self, Node};
use envelope::segment::{BodyShape, SEGMENT_LEN, SEGMENT_PLAIN};
use envelope::{FileId, Grant, Manifest, RootId};
use format::grant::{RecipientKey, SealGrant, seal_grant};
use format::manifest::{SealManifest, seal_manifest, suite_of};
use format::metadata::{Compression, Padding};
use format::payload::{plain_of_mut, segments_of};
use format::{FileKey, FileName, Identity, Metadata, PayloadSealer, Position, RootKeyPair, Secret, random};

/// Plaintext lengths around every edge of a segment.
pub(crate) const EDGES: [usize; 10] = [
    0,
    1,
    2,
    SEGMENT_PLAIN - 1,
    SEGMENT_PLAIN,
    SEGMENT_PLAIN + 1,
    2 * SEGMENT_PLAIN - 1,
    2 * SEGMENT_PLAIN,
    2 * SEGMENT_PLAIN + 1,
    3 * SEGMENT_PLAIN + 17,
];

/// Bytes that differ everywhere, so that a shifted or repeated piece is seen.
pub(crate) fn text(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from((n ^ n >> 8 ^ n >> 16) & 0xff).unwrap()).collect()
}

pub(crate) fn hkdf(ikm: &[u8], salt: &[u8], info: &str) -> [u8; 32] {
    let mut out = [0; 32];
    let prk = Salt::new(HKDF_SHA256, salt).extract(ikm);
    prk.expand(&[info.as_bytes()], HKDF_SHA256).unwrap().fill(&mut out).unwrap();
    out
}

pub(crate) fn role_key(fk: &FileKey, file_id: FileId, role: &str) -> [u8; 32] {
    hkdf(fk.secret().expose_secret(), file_id.as_bytes(), &format!("waxwing/v1/key/{role}"))
}

/// Seals a whole body, all segments in one batch.
pub(crate) fn seal_body(sealer: &PayloadSealer, plain: &[u8]) -> (Vec<u8>, Vec<Node>) {
    let shape = BodyShape::from_plain_len(plain.len() as u64).unwrap();
    let mut body = vec![0; usize::try_from(shape.body_len()).unwrap()];
    for (room, piece) in plain_of_mut(&mut body).zip(plain.chunks(SEGMENT_PLAIN)) {
        room.copy_from_slice(piece);
    }
    let records = sealer.seal_batch(0, Position::Final, &mut segments_of(&mut body)).unwrap();
    let leaves: Vec<Node> = records.iter().map(|record| record.leaf()).collect();
    assert_eq!(body.chunks(SEGMENT_LEN).map(merkle::leaf).collect::<Vec<_>>(), leaves);
    (body, leaves)
}

pub(crate) fn metadata(size: usize) -> Metadata {
    Metadata {
        name: FileName::parse("report.pdf").unwrap(),
        media_type: "application/pdf".to_owned(),
        original_size: size as u64,
        stored_size: size as u64,
        compression: Compression::None,
        padding: Padding::None,
        modified_ms: 1_700_000_000_000,
        box_id: None,
        preview: None,
    }
}

/// One sealed file of 1000 bytes and what belongs to it.
pub(crate) struct Sealed {
    pub(crate) fk: FileKey,
    pub(crate) file_id: FileId,
    pub(crate) manifest: Manifest,
    pub(crate) body: Vec<u8>,
    pub(crate) metadata: Metadata,
}

impl Sealed {
    /// Sealed by `author`, or anonymously.
    pub(crate) fn by(author: Option<&RootKeyPair>) -> Self {
        let (fk, file_id) = (FileKey::generate(), random::file_id());
        let (suite, author_id) = suite_of(author);
        let sealer = PayloadSealer::generate(&fk, suite, file_id, author_id);
        let (body, leaves) = seal_body(&sealer, &text(1000));
        let metadata = metadata(1000);
        let manifest = seal_manifest(&SealManifest {
            fk: &fk,
            file_id,
            revision: 1,
            author,
            payload_header: sealer.header(),
            body: BodyShape::from_body_len(body.len() as u64).unwrap(),
            body_root: merkle::root(&leaves).unwrap(),
            metadata: &metadata,
        })
        .unwrap();
        Self { fk, file_id, manifest, body, metadata }
    }

    pub(crate) fn grant(&self, grantor: Option<&RootKeyPair>, recipient: &RecipientKey) -> Grant {
        self.grant_from(grantor, recipient, 1)
    }

    pub(crate) fn grant_from(
        &self,
        grantor: Option<&RootKeyPair>,
        recipient: &RecipientKey,
        min_revision: u64,
    ) -> Grant {
        let seal = SealGrant { fk: &self.fk, manifest: &self.manifest, grantor, min_revision, not_after: 0 };
        seal_grant(&seal, recipient).unwrap()
    }

    /// A manifest over `head` with any sealed metadata, with the right HMAC and `signer`'s signature:
    /// what somebody could make who knows the file key.
    pub(crate) fn forge(&self, head: &ManifestHead, sealed_metadata: &[u8], signer: &Forger) -> Manifest {
        let mut bytes = head.encode(sealed_metadata).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &role_key(&self.fk, self.file_id, "manifest"));
        let code = hmac::sign(&key, &bytes);
        bytes.extend_from_slice(code.as_ref());
        let signature = signer.sign(&[b"waxwing/v1/manifest\0", &bytes]);
        bytes.extend_from_slice(&signature);
        Manifest::parse(bytes).unwrap()
    }
}

pub(crate) fn recipient(identity: &Identity) -> RecipientKey {
    RecipientKey::xwing(Some(identity.root_id()), identity.xwing_public()).unwrap()
}

/// A root whose seed is known here, so that anything can be signed with it.
pub(crate) struct Forger {
    pub(crate) root: RootKeyPair,
    pair: Ed25519KeyPair,
}

impl Forger {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            root: RootKeyPair::from_seed(Secret::from_bytes([seed; 32])),
            pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(),
        }
    }

    pub(crate) fn id(&self) -> RootId {
        self.root.root_id()
    }

    pub(crate) fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.pair.sign(&parts.concat()).as_ref().to_vec()
    }
}
