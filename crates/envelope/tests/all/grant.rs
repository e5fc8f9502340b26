//! The grant's layout and signature.

use envelope::grant::{GrantHead, MAX_LEN, SIGNATURE_CONTEXT, recipient_id};
use envelope::{ContentId, FileId, Grant, RecipientId, RootId, Suite, Wrap};
use proptest::prelude::*;

use crate::fixtures::{Signer, refuses_other_lengths, small, with};

fn head(wrap: Wrap, suite: Suite) -> GrantHead {
    GrantHead {
        wrap,
        suite,
        file_id: FileId::from_bytes([1; 16]),
        content_id: ContentId::from_bytes([2; 32]),
        recipient_id: if wrap == Wrap::Link {
            RecipientId::of_link(&[3; 16])
        } else {
            RecipientId::from_bytes([3; 32])
        },
        grantor_root_id: if suite == Suite::Signed {
            RootId::of(&Signer::new(1).public())
        } else {
            RootId::ZERO
        },
        min_revision: 5,
        not_after: 6,
    }
}

fn sealed(wrap: Wrap, suite: Suite, encapsulated: usize, wrapped: &[u8]) -> Vec<u8> {
    let mut bytes = head(wrap, suite).encode(&vec![4; encapsulated], wrapped).unwrap();
    if suite == Suite::Signed {
        let signature = Signer::new(1).sign(&[SIGNATURE_CONTEXT, &bytes]);
        bytes.extend_from_slice(signature.as_bytes());
    }
    bytes
}

fn xwing() -> Vec<u8> {
    sealed(Wrap::XWing, Suite::Signed, 1120, &[7; 48])
}

#[test]
fn fields_stand_where_the_table_says() {
    let bytes = xwing();
    assert_eq!(bytes.len(), MAX_LEN);
    assert_eq!(&bytes[..8], b"WXWGGR01");
    assert_eq!(bytes[8..12], [0, 2, 0, 1]);
    assert_eq!(bytes[12..28], [1; 16]);
    assert_eq!(bytes[28..60], [2; 32]);
    assert_eq!(bytes[60..92], [3; 32]);
    assert_eq!(bytes[92..124], *RootId::of(&Signer::new(1).public()).as_bytes());
    assert_eq!(bytes[124..132], 5_u64.to_be_bytes());
    assert_eq!(bytes[132..140], 6_u64.to_be_bytes());
    assert_eq!(bytes[140..142], 1120_u16.to_be_bytes());
    assert_eq!(bytes[142 + 1120..142 + 1122], 48_u16.to_be_bytes());
    let grant = Grant::parse(bytes.clone()).unwrap();
    assert_eq!(grant.as_bytes(), bytes);
    assert_eq!(grant.head(), &head(Wrap::XWing, Suite::Signed));
    assert_eq!(grant.encapsulated_key(), [4; 1120]);
    assert_eq!(grant.wrapped_key(), [7; 48]);
    assert_eq!(grant.verify(&Signer::new(1).public()), Ok(()));
    let head = head(Wrap::XWing, Suite::Signed);
    assert_eq!((grant.wrap(), grant.suite(), grant.file_id()), (head.wrap, head.suite, head.file_id));
    assert_eq!((grant.content_id(), grant.recipient_id()), (head.content_id, head.recipient_id));
    assert_eq!(grant.grantor_root_id(), head.grantor_root_id);
    assert_eq!((grant.min_revision(), grant.not_after(), grant.bound()), (5, 6, head.bound()));
}

#[test]
fn numbers_reach_as_far_as_doubles_count() {
    let greatest = ((1_u64 << 53) - 1).to_be_bytes();
    let grant = Grant::parse(with(&with(&xwing(), 124, &greatest), 132, &greatest)).unwrap();
    assert_eq!((grant.min_revision(), grant.not_after()), ((1 << 53) - 1, (1 << 53) - 1));
}

#[test]
fn every_wrap_has_its_sizes_and_no_others() {
    let link = small(32);
    assert_eq!(link.len(), 138);
    for suite in [Suite::Signed, Suite::Anonymous] {
        for (wrap, encapsulated, wrapped) in [
            (Wrap::RsaOaep, 0, &[7; 256][..]),
            (Wrap::RsaOaep, 0, &[7; 384]),
            (Wrap::RsaOaep, 0, &[7; 512]),
            (Wrap::XWing, 1120, &[7; 48]),
            (Wrap::Link, 0, &link),
        ] {
            let bytes = sealed(wrap, suite, encapsulated, wrapped);
            assert_eq!(Grant::parse(bytes.clone()).unwrap().as_bytes(), bytes);
            refuses_other_lengths(&bytes, |bytes| Grant::parse(bytes).ok());
        }
        for (wrap, encapsulated, wrapped) in [
            (Wrap::RsaOaep, 0, &[7; 255][..]),
            (Wrap::RsaOaep, 1, &[7; 256]),
            (Wrap::RsaOaep, 0, &[7; 48]),
            (Wrap::XWing, 1120, &[7; 47]),
            (Wrap::XWing, 1119, &[7; 48]),
            (Wrap::XWing, 0, &[7; 256]),
            (Wrap::Link, 0, &[7; 138]),
            (Wrap::Link, 1120, &link),
        ] {
            assert!(Grant::parse(sealed(wrap, suite, encapsulated, wrapped)).is_err());
        }
    }
}

#[test]
fn illegal_fields_are_refused() {
    let bytes = xwing();
    for (name, at, value) in [
        ("magic", 0, &b"WXWGGR02"[..]),
        ("wrap 0", 8, &[0, 0]),
        ("wrap 4", 8, &[0, 4]),
        ("wrap of another size", 8, &[0, 1]),
        ("reserved suite", 10, &[0, 2]),
        ("zero grantor of a signed grant", 92, &[0; 32]),
        ("lowest revision 2^53", 124, &(1_u64 << 53).to_be_bytes()),
        ("not after 2^53", 132, &(1_u64 << 53).to_be_bytes()),
    ] {
        assert!(Grant::parse(with(&bytes, at, value)).is_err(), "{name}");
    }
    let anonymous = sealed(Wrap::XWing, Suite::Anonymous, 1120, &[7; 48]);
    assert!(Grant::parse(with(&anonymous, 92, &[1])).is_err(), "grantor of an anonymous grant");
    let link = sealed(Wrap::Link, Suite::Signed, 0, &small(32));
    assert!(Grant::parse(with(&link, 91, &[1])).is_err(), "link id longer than 16 bytes");
}

#[test]
fn only_the_named_grantor_verifies() {
    let grant = Grant::parse(xwing()).unwrap();
    assert!(grant.verify(&Signer::new(2).public()).is_err());
    let anonymous = Grant::parse(sealed(Wrap::XWing, Suite::Anonymous, 1120, &[7; 48])).unwrap();
    assert_eq!(anonymous.signature(), None);
    assert!(anonymous.verify(&Signer::new(1).public()).is_err());
}

#[test]
fn what_a_key_is_bound_to_covers_every_field_before_it() {
    let base = head(Wrap::XWing, Suite::Signed);
    let bound = base.bound();
    for other in [
        GrantHead { wrap: Wrap::RsaOaep, ..base.clone() },
        GrantHead { suite: Suite::Anonymous, ..base.clone() },
        GrantHead { file_id: FileId::from_bytes([9; 16]), ..base.clone() },
        GrantHead { content_id: ContentId::from_bytes([9; 32]), ..base.clone() },
        GrantHead { recipient_id: RecipientId::from_bytes([9; 32]), ..base.clone() },
        GrantHead { grantor_root_id: RootId::from_bytes([9; 32]), ..base.clone() },
        GrantHead { min_revision: 9, ..base.clone() },
        GrantHead { not_after: 9, ..base },
    ] {
        assert_ne!(other.bound(), bound);
    }
}

#[test]
fn a_recipient_is_key_root_and_wrap() {
    let root = RootId::from_bytes([1; 32]);
    let id = recipient_id(Wrap::XWing, Some(root), b"key");
    assert_eq!(
        recipient_id(Wrap::XWing, None, b"key"),
        recipient_id(Wrap::XWing, Some(RootId::ZERO), b"key")
    );
    assert_ne!(recipient_id(Wrap::XWing, None, b"key"), id);
    assert_ne!(recipient_id(Wrap::RsaOaep, Some(root), b"key"), id);
    assert_ne!(recipient_id(Wrap::XWing, Some(root), b"kez"), id);
}

proptest! {
    #[test]
    fn what_parses_serialises_to_itself(at in 0_usize..MAX_LEN, byte: u8) {
        let bytes = with(&xwing(), at, &[byte]);
        if let Ok(grant) = Grant::parse(bytes.clone()) {
            prop_assert_eq!(grant.as_bytes(), &bytes[..]);
            let again = grant.head().encode(grant.encapsulated_key(), grant.wrapped_key()).unwrap();
            prop_assert_eq!(again, grant.signed_bytes());
        }
    }

    #[test]
    fn every_flipped_bit_fails_to_verify(bit in 0_usize..MAX_LEN * 8) {
        let mut bytes = xwing();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let key = Signer::new(1).public();
        prop_assert!(Grant::parse(bytes).map_or(true, |grant| grant.verify(&key).is_err()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..1600)) {
        let _ = Grant::parse(tail.clone());
        let _ = Grant::parse([b"WXWGGR01\0\x02\0\x01".as_slice(), &tail].concat());
    }
}
