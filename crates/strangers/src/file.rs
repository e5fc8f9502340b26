//! A file of one segment, sealed for real.

use envelope::merkle::Node;
use envelope::segment::BodyShape;
use envelope::{Manifest, merkle};
use format::manifest::{SealManifest, seal_manifest, suite_of};
use format::metadata::{Compression, Padding, Preview};
use format::{FileKey, FileName, Metadata, PayloadSealer, Position, RootKeyPair, random};

/// What sealing a few bytes made.
pub struct SmallFile {
    /// The key of the file.
    pub fk: FileKey,
    /// Its manifest.
    pub manifest: Manifest,
    /// The only leaf of its tree.
    pub leaf: Node,
    /// The sealed segment.
    pub body: Vec<u8>,
}

impl SmallFile {
    /// Seals `plain`, signed by `author` or by nobody.
    ///
    /// # Panics
    ///
    /// If `plain` is longer than a segment.
    pub fn seal(author: Option<&RootKeyPair>, plain: &[u8], preview: Option<Preview>) -> Self {
        let (fk, file_id) = (FileKey::generate(), random::file_id());
        let (suite, root) = suite_of(author);
        let sealer = PayloadSealer::generate(&fk, suite, file_id, root);
        let mut body = vec![0; plain.len() + 32];
        let leaf = sealer.seal(0, Position::Final, plain, &mut body).expect("it is one segment").leaf();
        let metadata = Metadata {
            name: FileName::parse("report.pdf").expect("a name"),
            media_type: "application/pdf".to_owned(),
            original_size: plain.len() as u64,
            stored_size: plain.len() as u64,
            compression: Compression::None,
            padding: Padding::None,
            modified_ms: 1_700_000_000_000,
            box_id: None,
            preview,
        };
        let manifest = seal_manifest(&SealManifest {
            fk: &fk,
            file_id,
            revision: 1,
            author,
            payload_header: sealer.header(),
            body: BodyShape::from_body_len(body.len() as u64).expect("a body"),
            body_root: merkle::root(&[leaf]).expect("one leaf"),
            metadata: &metadata,
        })
        .expect("it is sound");
        Self { fk, manifest, leaf, body }
    }
}
