//! The manifest's layout and signature.

use aws_lc_rs::digest::{SHA256, digest};
use envelope::manifest::{MAX_LEN, ManifestHead, SIGNATURE_CONTEXT};
use envelope::merkle::Node;
use envelope::{BodyShape, FileId, Manifest, ParseError, RootId, Suite};
use proptest::prelude::*;

use crate::fixtures::{Signer, floe_header, refuses_other_lengths, small, with};

fn head(suite: Suite, author: RootId) -> ManifestHead {
    ManifestHead {
        suite,
        file_id: FileId::from_bytes([1; 16]),
        revision: 7,
        author_root_id: author,
        payload_header: floe_header(),
        body: BodyShape::from_plain_len(300_000).unwrap(),
        body_root: Node::from_bytes([2; 32]),
    }
}

fn signed(signer: &Signer, blocks: usize) -> Vec<u8> {
    let head = head(Suite::Signed, RootId::of(&signer.public()));
    let mut bytes = head.encode(&small(512 * blocks)).unwrap();
    bytes.extend_from_slice(&[3; 32]);
    let signature = signer.sign(&[SIGNATURE_CONTEXT, &bytes]);
    bytes.extend_from_slice(signature.as_bytes());
    bytes
}

fn anonymous() -> Vec<u8> {
    let mut bytes = head(Suite::Anonymous, RootId::ZERO).encode(&small(512)).unwrap();
    bytes.extend_from_slice(&[3; 32]);
    bytes
}

#[test]
fn fields_stand_where_the_table_says() {
    let signer = Signer::new(1);
    let bytes = signed(&signer, 1);
    assert_eq!(bytes.len(), 216 + 106 + 512 + 64);
    assert_eq!(&bytes[..8], b"WXWGMF01");
    assert_eq!(bytes[8..10], [0, 1]);
    assert_eq!(bytes[10..26], [1; 16]);
    assert_eq!(bytes[26..34], 7_u64.to_be_bytes());
    assert_eq!(bytes[34..66], *RootId::of(&signer.public()).as_bytes());
    assert_eq!(bytes[66..140], floe_header());
    assert_eq!(bytes[140..148], 300_064_u64.to_be_bytes());
    assert_eq!(bytes[148..180], [2; 32]);
    assert_eq!(bytes[180..184], 618_u32.to_be_bytes());
    assert_eq!(bytes[184 + 618..216 + 618], [3; 32]);
    let manifest = Manifest::parse(bytes.clone()).unwrap();
    assert_eq!(manifest.as_bytes(), bytes);
    assert_eq!(manifest.metadata(), &bytes[184..184 + 618]);
    assert_eq!(manifest.authenticated_bytes(), &bytes[..184 + 618]);
    assert_eq!(manifest.hmac(), &[3; 32]);
    assert_eq!(manifest.signed_bytes(), &bytes[..216 + 618]);
    assert_eq!(manifest.head(), &head(Suite::Signed, RootId::of(&signer.public())));
    assert_eq!(manifest.verify(&signer.public()), Ok(()));
    let head = head(Suite::Signed, RootId::of(&signer.public()));
    assert_eq!((manifest.suite(), manifest.file_id(), manifest.revision()), (head.suite, head.file_id, 7));
    assert_eq!((manifest.author_root_id(), manifest.body_root()), (head.author_root_id, head.body_root));
    assert_eq!((manifest.payload_header(), manifest.content_id()), (&floe_header(), head.content_id()));
    assert_eq!((manifest.body(), manifest.body_len()), (head.body, 300_064));
    assert_eq!(manifest.digest(), digest(&SHA256, &bytes).as_ref());
}

#[test]
fn the_longest_manifest_parses() {
    let bytes = signed(&Signer::new(1), 127);
    assert_eq!(bytes.len(), MAX_LEN);
    assert!(Manifest::parse(bytes).is_ok());
}

#[test]
fn other_lengths_are_refused() {
    refuses_other_lengths(&signed(&Signer::new(1), 1), |bytes| Manifest::parse(bytes).ok());
    refuses_other_lengths(&anonymous(), |bytes| Manifest::parse(bytes).ok());
}

#[test]
fn metadata_lengths_off_the_grid_are_refused() {
    for plain_len in [0, 1, 511, 513, 512 * 128] {
        let signer = Signer::new(1);
        let mut bytes = head(Suite::Signed, RootId::of(&signer.public())).encode(&small(plain_len)).unwrap();
        bytes.extend_from_slice(&[0; 96]);
        assert_eq!(
            Manifest::parse(bytes),
            Err(ParseError::OutOfRange { field: "metadata length" }),
            "{plain_len}"
        );
    }
}

#[test]
fn illegal_fields_are_refused() {
    let bytes = signed(&Signer::new(1), 1);
    for (name, at, value) in [
        ("magic", 0, b"WXWGMF02".to_vec()),
        ("reserved suite", 8, vec![0, 2]),
        ("suite 0", 8, vec![0, 0]),
        ("revision 0", 26, vec![0; 8]),
        ("revision 2^53", 26, (1_u64 << 53).to_be_bytes().to_vec()),
        ("zero author of a signed file", 34, vec![0; 32]),
        ("other sealing parameters", 66 + 4, vec![8]),
        ("body too short", 140, 31_u64.to_be_bytes().to_vec()),
        ("body with an empty last segment", 140, (262_144_u64 + 32).to_be_bytes().to_vec()),
        ("body too long", 140, ((1_u64 << 44) + 33).to_be_bytes().to_vec()),
        ("metadata with other parameters", 184, vec![1]),
        ("metadata with another length word", 184 + 74, vec![0xff; 4]),
    ] {
        assert!(Manifest::parse(with(&bytes, at, &value)).is_err(), "{name}");
    }
    assert!(Manifest::parse(with(&anonymous(), 34, &[1])).is_err(), "author of an anonymous file");
}

#[test]
fn only_the_named_author_verifies() {
    let (author, other) = (Signer::new(1), Signer::new(2));
    let manifest = Manifest::parse(signed(&author, 1)).unwrap();
    assert!(manifest.verify(&other.public()).is_err());
    let mut resigned = head(Suite::Signed, RootId::of(&author.public())).encode(&small(512)).unwrap();
    resigned.extend_from_slice(&[3; 32]);
    let signature = other.sign(&[SIGNATURE_CONTEXT, &resigned]);
    resigned.extend_from_slice(signature.as_bytes());
    let resigned = Manifest::parse(resigned).unwrap();
    assert!(resigned.verify(&author.public()).is_err());
    assert!(resigned.verify(&other.public()).is_err());
}

#[test]
fn an_anonymous_manifest_never_verifies() {
    let manifest = Manifest::parse(anonymous()).unwrap();
    assert_eq!(manifest.signature(), None);
    assert!(manifest.verify(&Signer::new(1).public()).is_err());
}

#[test]
fn a_signature_of_another_kind_does_not_count() {
    let signer = Signer::new(1);
    let mut bytes = head(Suite::Signed, RootId::of(&signer.public())).encode(&small(512)).unwrap();
    bytes.extend_from_slice(&[3; 32]);
    let signature = signer.sign(&[b"waxwing/v1/grant\0", &bytes]);
    bytes.extend_from_slice(signature.as_bytes());
    assert!(Manifest::parse(bytes).unwrap().verify(&signer.public()).is_err());
}

#[test]
fn the_content_id_survives_a_rename_and_nothing_else() {
    let base = head(Suite::Signed, RootId::from_bytes([9; 32]));
    let id = base.content_id();
    let renamed = ManifestHead { revision: 8, ..base };
    assert_eq!(renamed.content_id(), id);
    let mut payload_header = floe_header();
    payload_header[73] ^= 1;
    for other in [
        ManifestHead { suite: Suite::Anonymous, ..renamed.clone() },
        ManifestHead { file_id: FileId::from_bytes([8; 16]), ..renamed.clone() },
        ManifestHead { author_root_id: RootId::from_bytes([8; 32]), ..renamed.clone() },
        ManifestHead { payload_header, ..renamed.clone() },
        ManifestHead { body: BodyShape::from_plain_len(300_001).unwrap(), ..renamed.clone() },
        ManifestHead { body_root: Node::from_bytes([8; 32]), ..renamed },
    ] {
        assert_ne!(other.content_id(), id);
    }
}

proptest! {
    #[test]
    fn what_parses_serialises_to_itself(at in 0_usize..898, byte: u8) {
        let bytes = with(&signed(&Signer::new(1), 1), at, &[byte]);
        if let Ok(manifest) = Manifest::parse(bytes.clone()) {
            prop_assert_eq!(manifest.as_bytes(), &bytes[..]);
            let again = manifest.head().encode(manifest.metadata()).unwrap();
            prop_assert_eq!(again, manifest.authenticated_bytes());
        }
    }

    #[test]
    fn every_flipped_bit_fails_to_verify(bit in 0_usize..898 * 8) {
        let signer = Signer::new(1);
        let mut bytes = signed(&signer, 1);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Manifest::parse(bytes).map_or(true, |manifest| manifest.verify(&signer.public()).is_err()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Manifest::parse(tail.clone());
        let _ = Manifest::parse([b"WXWGMF01\0\x01".as_slice(), &tail].concat());
    }
}
