//! The outside of a record of pins.

use envelope::pins::{HEAD_LEN, MAGIC, MAX_LEN, PinsLayout, SIGNATURE_CONTEXT};
use envelope::segment::SEGMENT_PLAIN;
use envelope::{MAX_INTEGER, ParseError, UserId};

use crate::fixtures::{Signer, refuses_other_lengths, small};

const USER: UserId = UserId::from_bytes([6; 16]);

fn record(version: u64, body: &[u8], by: &Signer) -> Vec<u8> {
    let head = [&MAGIC[..], &[6; 16], &version.to_be_bytes()].concat();
    let signature = by.sign(&[SIGNATURE_CONTEXT, &head, body]);
    [&head[..], body, signature.as_bytes()].concat()
}

#[test]
fn a_record_is_read_field_by_field_and_written_as_it_was() {
    let (owner, stranger, body) = (Signer::new(1), Signer::new(2), small(40));
    let bytes = record(0x0102, &body, &owner);
    let layout = PinsLayout::parse(&bytes).unwrap();
    assert_eq!((layout.user_id(), layout.version(), layout.body()), (USER, 0x0102, body.as_slice()));
    assert_eq!(layout.to_bytes(), bytes);
    assert_eq!(PinsLayout::head(USER, 0x0102).as_slice(), &bytes[..HEAD_LEN]);
    assert!(layout.verify(&owner.public()).is_ok());
    assert!(layout.verify(&stranger.public()).is_err());
    refuses_other_lengths(&bytes, |bytes| PinsLayout::parse(bytes).ok());
}

#[test]
fn the_signature_covers_every_field() {
    let owner = Signer::new(1);
    let bytes = record(1, &small(40), &owner);
    for at in [8, 23, 24, 31, HEAD_LEN + 20, HEAD_LEN + 90, bytes.len() - 70, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let believed = PinsLayout::parse(&changed).is_ok_and(|layout| layout.verify(&owner.public()).is_ok());
        assert!(!believed, "byte {at}");
    }
}

#[test]
fn versions_and_lengths_end_where_the_specification_says() {
    let owner = Signer::new(1);
    let parse = |version, body: &[u8]| PinsLayout::parse(&record(version, body, &owner));
    let range = Err(ParseError::OutOfRange { field: "version" });
    assert_eq!(parse(0, &small(1)), range);
    assert!(parse(1, &small(0)).is_ok());
    assert!(parse(MAX_INTEGER, &small(1)).is_ok());
    assert_eq!(parse(MAX_INTEGER + 1, &small(1)), range);
    assert_eq!(record(1, &small(SEGMENT_PLAIN), &owner).len(), MAX_LEN);
    assert!(parse(1, &small(SEGMENT_PLAIN)).is_ok());
    assert!(parse(1, &small(SEGMENT_PLAIN + 1)).is_err());
    let mut other = record(1, &small(1), &owner);
    other[7] ^= 1;
    assert_eq!(PinsLayout::parse(&other), Err(ParseError::Magic));
}
