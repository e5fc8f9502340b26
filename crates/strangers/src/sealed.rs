//! What stands behind a seal, as a dishonest author could have sealed it.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use envelope::manifest::ManifestHead;
use envelope::merkle::Node;
use envelope::segment::{BodyShape, MAX_SEGMENTS};
use envelope::vault::{SALT_LEN, SLOT_LEN, Slot, SlotKind, VaultLayout};
use envelope::{FileId, Manifest, RootId, Suite, UserId};
use format::manifest::{SealManifest, open_manifest, seal_manifest};
use format::small::{open_small, seal_small};
use format::vault::{open_vault_with_key, reseal_vault};
use format::{FileKey, PayloadOpener, PayloadSealer, Position, RootKeyPair, Secret, VaultKey};

use crate::input::Input;

const FILE: FileId = FileId::from_bytes([3; 16]);
const USER: UserId = UserId::from_bytes([4; 16]);

/// A file key and one payload header for each suite, the same for all runs of a process.
struct Fixed {
    fk: FileKey,
    root: RootKeyPair,
    signed: PayloadSealer,
    anonymous: PayloadSealer,
}

static FIXED: LazyLock<Fixed> = LazyLock::new(|| {
    let fk = FileKey::from_secret(Secret::from_bytes([1; 32]));
    let root = RootKeyPair::from_seed(Secret::from_bytes([2; 32]));
    let signed = PayloadSealer::generate(&fk, Suite::Signed, FILE, root.root_id());
    let anonymous = PayloadSealer::generate(&fk, Suite::Anonymous, FILE, RootId::ZERO);
    Fixed { fk, root, signed, anonymous }
});

/// Flags 1, plaintext length of the body 8, then the CBOR of metadata, or with flag 2 its whole
/// plaintext. What opens seals to the same plaintext again.
pub fn metadata(data: &[u8]) {
    let fixed = &*FIXED;
    let mut input = Input::new(data);
    let (flags, plain_len) = (input.u8(), input.u64());
    let Ok(body) = BodyShape::from_plain_len(plain_len) else { return };
    let author = (flags & 1 == 0).then_some(&fixed.root);
    let sealer = if author.is_some() { &fixed.signed } else { &fixed.anonymous };
    let plain = framed(input.rest(), flags & 2 == 0);
    let head = ManifestHead {
        suite: if author.is_some() { Suite::Signed } else { Suite::Anonymous },
        file_id: FILE,
        revision: 1,
        author_root_id: author.map_or(RootId::ZERO, RootKeyPair::root_id),
        payload_header: *sealer.header(),
        body,
        body_root: Node::from_bytes([5; 32]),
    };
    let Some(manifest) = manifest_around(&head, &plain) else { return };
    let Ok(metadata) = open_manifest(&manifest, &fixed.fk) else { return };
    let again = seal_manifest(&SealManifest {
        fk: &fixed.fk,
        file_id: FILE,
        revision: 1,
        author,
        payload_header: sealer.header(),
        body,
        body_root: head.body_root,
        metadata: &metadata,
    })
    .expect("what was opened can be sealed");
    let opened = open_small(&role_key("metadata"), &metadata_aad(&head), again.metadata());
    assert!(*opened.expect("it was just sealed") == plain, "the same metadata in another spelling");
}

/// u32 length, bytes, zeros to the next multiple of 512; or the bytes with those zeros alone.
fn framed(bytes: &[u8], with_length: bool) -> Vec<u8> {
    let mut plain = Vec::new();
    if with_length {
        plain.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    }
    plain.extend_from_slice(bytes);
    plain.resize(plain.len().next_multiple_of(512), 0);
    plain
}

/// A manifest that knows the file key but not the author's root: opening it looks at no signature.
fn manifest_around(head: &ManifestHead, plain: &[u8]) -> Option<Manifest> {
    let sealed = seal_small(&role_key("metadata"), &metadata_aad(head), plain).ok()?;
    let mut bytes = head.encode(&sealed).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, role_key("manifest").expose_secret());
    bytes.extend_from_slice(hmac::sign(&key, &bytes).as_ref());
    if head.suite == Suite::Signed {
        bytes.extend_from_slice(&[6; 64]);
    }
    let parsed = Manifest::parse(bytes);
    assert_eq!(parsed.is_ok(), (512..=127 * 512).contains(&plain.len()));
    parsed.ok()
}

fn metadata_aad(head: &ManifestHead) -> Vec<u8> {
    [
        b"waxwing/v1/metadata\0".as_slice(),
        &head.suite.to_bytes(),
        head.file_id.as_bytes(),
        head.author_root_id.as_bytes(),
        &head.revision.to_be_bytes(),
        digest(&SHA256, &head.payload_header).as_ref(),
    ]
    .concat()
}

fn role_key(role: &str) -> Secret<32> {
    let mut key = [0; 32];
    let prk = Salt::new(HKDF_SHA256, FILE.as_bytes()).extract(FIXED.fk.secret().expose_secret());
    prk.expand(&[b"waxwing/v1/key/", role.as_bytes()], HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("32 bytes are one block");
    Secret::from_bytes(key)
}

/// The CBOR in the body of a vault. What opens seals to the same CBOR again.
pub fn vault_body(data: &[u8]) {
    let key = VaultKey::from_secret(Secret::from_bytes([7; 32]));
    let mut slot = [8; SLOT_LEN];
    slot[..10].copy_from_slice(&envelope::small::PARAMETERS);
    slot[74..78].copy_from_slice(&64_u32.to_be_bytes());
    let slots = [Slot { kind: SlotKind::Passphrase, salt: [9; SALT_LEN], sealed: slot }];
    let seal = |version: u32, body: &[u8]| -> Option<Vec<u8>> {
        let mut vault = VaultLayout::head_bytes(USER, version, &slots).expect("one slot fits");
        let sealed =
            seal_small(key.secret(), &[b"waxwing/v1/vault\0", vault.as_slice()].concat(), body).ok()?;
        vault.extend_from_slice(&sealed);
        Some(vault)
    };
    let Some(vault) = seal(1, data) else { return };
    let Ok(unlocked) = open_vault_with_key(&vault, &key) else { return };
    let again = reseal_vault(&vault, &unlocked, 2).expect("what was opened can be sealed");
    let layout = VaultLayout::parse(&again).expect("it was just sealed");
    let aad = [b"waxwing/v1/vault\0", layout.head().as_slice()].concat();
    let body = open_small(key.secret(), &aad, layout.body()).expect("it was just sealed");
    assert!(*body == data, "the same keys in another spelling");
}

/// Position 4, change 1, then bytes: as a small message itself they do not open; sealed they open
/// to themselves, and changed at the position they do not.
pub fn small_message(data: &[u8]) {
    let key = Secret::from_bytes([10; 32]);
    assert!(open_small(&key, b"aad", data).is_err(), "nobody guesses a tag");
    let mut input = Input::new(data);
    let (at, change) = (input.u32() as usize, input.u8());
    let plain = input.rest();
    let Ok(mut sealed) = seal_small(&key, b"aad", plain) else {
        assert!(plain.len() > envelope::small::SMALL_PLAIN_MAX);
        return;
    };
    assert!(*open_small(&key, b"aad", &sealed).expect("it was just sealed") == plain);
    assert!(open_small(&key, b"aae", &sealed).is_err());
    let at = at % sealed.len();
    sealed[at] ^= change;
    assert_eq!(open_small(&key, b"aad", &sealed).is_ok(), change == 0);
    sealed[at] ^= change;
    sealed.truncate(at);
    assert!(open_small(&key, b"aad", &sealed).is_err());
}

/// Index 8, position of the change 4, change 1, flags 1, then the plaintext of a segment.
pub fn segment(data: &[u8]) {
    let fixed = &*FIXED;
    let mut input = Input::new(data);
    let (index, at, change, flags) = (input.u64(), input.u32() as usize, input.u8(), input.u8());
    let mut plain = input.rest().to_vec();
    let position = if flags & 1 == 1 { Position::Inner } else { Position::Final };
    if flags & 2 == 2 {
        plain.resize(envelope::segment::SEGMENT_PLAIN, 0x11);
    }
    let full = plain.len() == envelope::segment::SEGMENT_PLAIN;
    let fits = index < MAX_SEGMENTS
        && plain.len() <= envelope::segment::SEGMENT_PLAIN
        && match position {
            Position::Inner => full,
            Position::Final => index == 0 || !plain.is_empty(),
        };
    let mut sealed = vec![0; plain.len() + 32];
    assert_eq!(fixed.signed.seal(index, position, &plain, &mut sealed).is_ok(), fits);
    let author = fixed.root.root_id();
    let opener = PayloadOpener::new(&fixed.fk, Suite::Signed, FILE, author, fixed.signed.header())
        .expect("the header is authentic");
    let mut out = vec![0xee; plain.len()];
    if !fits {
        assert!(opener.open(index, position, &sealed, &mut out).is_err());
        return;
    }
    assert!(opener.open(index, position, &sealed, &mut out).is_ok() && out == plain);
    let other = if position == Position::Inner { Position::Final } else { Position::Inner };
    assert!(opener.open(index, other, &sealed, &mut out).is_err());
    assert!(opener.open(index ^ 1, position, &sealed, &mut out).is_err());
    let at = at % sealed.len();
    sealed[at] ^= change;
    out.fill(0xee);
    assert_eq!(opener.open(index, position, &sealed, &mut out).is_ok(), change == 0);
    if change != 0 {
        assert!(out.iter().all(|byte| *byte == 0 || *byte == 0xee), "nothing unproven is released");
        let mut in_place = sealed;
        assert!(opener.open_in_place(index, position, &mut in_place).is_err());
    }
}
