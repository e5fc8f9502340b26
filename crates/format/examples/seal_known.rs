//! Seals one file and one vault and prints them as JSON, for `spec/known/check.py` to open.

use std::error::Error;

use envelope::UserId;
use envelope::merkle;
use envelope::segment::{BodyShape, SEGMENT_PLAIN};
use format::grant::{RecipientKey, SealGrant, seal_grant};
use format::manifest::{SealManifest, seal_manifest, suite_of};
use format::metadata::{Compression, Padding};
use format::payload::{plain_of_mut, segments_of};
use format::vault::{VaultSecret, seal_vault};
use format::{FileKey, FileName, Identity, Metadata, Passphrase, PayloadSealer, Position, VaultKey, random};

const WORDS: &str = "correct horse battery staple";
const LEN: usize = SEGMENT_PLAIN + 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let (author, reader) = (Identity::generate(), Identity::generate());
    let plain: Vec<u8> = (0..LEN).map(|n| (n ^ n >> 8 ^ n >> 16).to_le_bytes()[0]).collect();
    let (fk, file_id) = (FileKey::generate(), random::file_id());
    let (suite, root) = suite_of(Some(author.root()));
    let sealer = PayloadSealer::generate(&fk, suite, file_id, root);
    let shape = BodyShape::from_plain_len(LEN as u64)?;
    let mut body = vec![0; usize::try_from(shape.body_len())?];
    for (room, piece) in plain_of_mut(&mut body).zip(plain.chunks(SEGMENT_PLAIN)) {
        room.copy_from_slice(piece);
    }
    let leaves: Vec<_> = sealer
        .seal_batch(0, Position::Final, &mut segments_of(&mut body))?
        .iter()
        .map(|record| record.leaf())
        .collect();
    let metadata = Metadata {
        name: FileName::parse("report.txt")?,
        media_type: "text/plain".to_owned(),
        original_size: LEN as u64,
        stored_size: LEN as u64,
        compression: Compression::None,
        padding: Padding::None,
        modified_ms: -1,
        box_id: None,
        preview: None,
    };
    let manifest = seal_manifest(&SealManifest {
        fk: &fk,
        file_id,
        revision: 1,
        author: Some(author.root()),
        payload_header: sealer.header(),
        body: shape,
        body_root: merkle::root(&leaves).ok_or("a body has a leaf")?,
        metadata: &metadata,
    })?;
    let recipient = RecipientKey::xwing(Some(reader.root_id()), reader.xwing_public())?;
    let seal = SealGrant {
        fk: &fk,
        manifest: &manifest,
        grantor: Some(author.root()),
        min_revision: 1,
        not_after: 0,
    };
    let grant = seal_grant(&seal, &recipient)?;
    let passphrase = Passphrase::parse(WORDS.to_owned())?;
    let vault = seal_vault(
        &reader,
        &VaultKey::generate(),
        &[VaultSecret::Passphrase(&passphrase)],
        UserId::from_bytes([5; 16]),
        3,
    )?;
    let fields = [
        ("author", author.root().public().as_bytes().as_slice()),
        ("root", reader.root().public().as_bytes()),
        ("xwing_public", reader.xwing_public()),
        ("manifest", manifest.as_bytes()),
        ("grant", grant.as_bytes()),
        ("body", &body),
        ("original", &plain),
        ("vault", &vault),
        ("passphrase", WORDS.as_bytes()),
    ];
    let json: serde_json::Map<String, serde_json::Value> =
        fields.map(|(name, bytes)| (name.to_owned(), hex(bytes).into())).into_iter().collect();
    println!("{}", serde_json::Value::Object(json));
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
