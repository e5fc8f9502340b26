//! Sealed metadata before it is sealed: one spelling, nothing more, nothing less.

use proptest::prelude::*;

use super::*;

fn sample() -> Metadata {
    Metadata {
        name: FileName::parse("report.pdf").unwrap(),
        media_type: "application/pdf".to_owned(),
        original_size: 70_000,
        stored_size: 3000,
        compression: Compression::Gzip,
        padding: Padding::Padme,
        modified_ms: -5,
        box_id: Some([6; 16]),
        preview: Some(Preview { media_type: "image/png".to_owned(), bytes: vec![1, 2, 3] }),
    }
}

fn body() -> BodyShape {
    BodyShape::from_plain_len(4096).unwrap()
}

fn decode(plain: &[u8]) -> Result<Metadata, ParseError> {
    Metadata::decode(plain, Suite::Anonymous, body())
}

/// Frames CBOR as the plaintext of sealed metadata.
fn framed(cbor: &[u8]) -> Vec<u8> {
    let mut plain = u32::try_from(cbor.len()).unwrap().to_be_bytes().to_vec();
    plain.extend_from_slice(cbor);
    plain.resize(plain.len().next_multiple_of(512), 0);
    plain
}

/// The seven required keys, in CBOR written by hand.
const REQUIRED: [&[u8]; 7] = [
    b"\x01\x61n",
    b"\x02\x60",
    b"\x03\x19\x10\x00",
    b"\x04\x19\x10\x00",
    b"\x05\x00",
    b"\x06\x00",
    b"\x07\x00",
];

fn with_keys(keys: &[&[u8]]) -> Vec<u8> {
    let mut cbor = vec![0xa0 | u8::try_from(keys.len()).unwrap()];
    keys.iter().for_each(|key| cbor.extend_from_slice(key));
    framed(&cbor)
}

fn with_key(n: usize, key: &[u8]) -> Vec<u8> {
    let mut keys = REQUIRED;
    keys[n] = key;
    with_keys(&keys)
}

#[test]
fn every_field_survives() {
    let plain = sample().encode(Suite::Anonymous, body()).unwrap();
    assert_eq!(plain.len(), 512);
    assert_eq!(decode(&plain), Ok(sample()));
}

#[test]
fn cbor_written_by_hand_is_understood() {
    let metadata = decode(&with_keys(&REQUIRED)).unwrap();
    assert_eq!((metadata.name.as_str(), metadata.stored_size, metadata.modified_ms), ("n", 4096, 0));
    assert_eq!(*metadata.encode(Suite::Anonymous, body()).unwrap(), with_keys(&REQUIRED));
}

#[test]
fn no_body_is_longer_than_the_format_allows() {
    for padding in [Padding::None, Padding::Padme] {
        let of = |stored_size| Metadata { stored_size, padding, ..sample() }.plain_len();
        assert_eq!(of(MAX_BODY_LEN), Some(MAX_BODY_LEN));
        assert_eq!(of(MAX_BODY_LEN + 1), None);
        assert_eq!(of(u64::MAX), None);
    }
}

#[test]
fn a_missing_key_is_refused() {
    for missing in 0..7 {
        let mut keys = REQUIRED.to_vec();
        keys.remove(missing);
        assert!(decode(&with_keys(&keys)).is_err(), "key {}", missing + 1);
    }
}

#[test]
fn an_unknown_key_is_refused() {
    let keys = [&REQUIRED[..], &[b"\x0a\x00"]].concat();
    assert_eq!(decode(&with_keys(&keys)), Err(ParseError::UnknownCode { field: "metadata key" }));
    let keys = [&[b"\x00\x00".as_slice()], &REQUIRED[..]].concat();
    assert!(decode(&with_keys(&keys)).is_err());
}

#[test]
fn a_duplicate_or_unsorted_key_is_refused() {
    let mut keys = REQUIRED.to_vec();
    keys.insert(1, REQUIRED[0]);
    assert!(decode(&with_keys(&keys)).is_err(), "duplicate");
    let mut keys = REQUIRED;
    keys.swap(4, 5);
    assert!(decode(&with_keys(&keys)).is_err(), "unsorted");
}

#[test]
fn longer_forms_of_integers_and_lengths_are_refused() {
    for (n, key) in [
        (0, &b"\x18\x01\x61n"[..]),
        (0, b"\x01\x78\x01n"),
        (1, b"\x02\x79\x00\x00"),
        (2, b"\x03\x1a\x00\x00\x10\x00"),
        (2, b"\x03\x1b\x00\x00\x00\x00\x00\x00\x10\x00"),
        (4, b"\x05\x18\x00"),
        (6, b"\x07\x38\x00"),
    ] {
        assert!(decode(&with_key(n, key)).is_err(), "{key:02x?}");
    }
}

#[test]
fn other_kinds_of_values_are_refused() {
    for (n, key) in [
        (0, &b"\x01\x41n"[..]),
        (0, b"\x01\x7f\x61n\xff"),
        (0, b"\x01\x61\xff"),
        (2, b"\x03\xf9\x6c\x00"),
        (2, b"\x03\x39\x0f\xff"),
        (4, b"\x05\xf4"),
        (6, b"\x07\xc1\x00"),
        (6, b"\x07\xf6"),
    ] {
        assert!(decode(&with_key(n, key)).is_err(), "{key:02x?}");
    }
    assert!(decode(&framed(b"\xbf\xff")).is_err(), "indefinite map");
    assert!(decode(&framed(b"\x80")).is_err(), "array");
}

#[test]
fn unknown_codes_are_refused() {
    assert!(decode(&with_key(4, b"\x05\x02")).is_err());
    assert!(decode(&with_key(5, b"\x06\x02")).is_err());
}

#[test]
fn illegal_names_are_refused_and_uncomposed_ones_are_not() {
    for name in ["", ".", "..", "a/b", "a\\b", "a\0b"] {
        let mut key = vec![0x01, 0x60 | u8::try_from(name.len()).unwrap()];
        key.extend_from_slice(name.as_bytes());
        assert!(decode(&with_key(0, &key)).is_err(), "{name:?}");
    }
    let decoded = decode(&with_key(0, b"\x01\x63e\xcc\x81")).unwrap();
    assert_eq!(decoded.name.as_str(), "e\u{301}");
}

#[test]
fn sizes_must_agree_with_compression_padding_and_body() {
    assert!(decode(&with_key(2, b"\x03\x19\x10\x01")).is_err(), "3 = 4 without compression");
    assert!(decode(&with_key(5, b"\x06\x01")).is_ok(), "4096 is its own padded length");
    let shorter = [
        REQUIRED[0],
        REQUIRED[1],
        b"\x03\x19\x0f\xff",
        b"\x04\x19\x0f\xff",
        REQUIRED[4],
        b"\x06\x00",
        REQUIRED[6],
    ];
    assert!(decode(&with_keys(&shorter)).is_err(), "unpadded, and shorter than the body");
    let padded = [shorter[0], shorter[1], shorter[2], shorter[3], shorter[4], b"\x06\x01", shorter[6]];
    assert!(decode(&with_keys(&padded)).is_ok());
    let huge = (MAX_BODY_LEN + 1).to_be_bytes();
    let huge = [&b"\x03\x1b"[..], &huge].concat();
    let mut keys = REQUIRED;
    keys[2] = &huge;
    keys[4] = b"\x05\x01";
    assert!(decode(&with_keys(&keys)).is_err(), "original size above 2^44");
}

#[test]
fn times_beyond_two_to_the_53_are_refused() {
    assert!(decode(&with_key(6, b"\x07\x1b\x00\x1f\xff\xff\xff\xff\xff\xff")).is_ok());
    assert!(decode(&with_key(6, b"\x07\x1b\x00\x20\x00\x00\x00\x00\x00\x00")).is_err());
    assert!(decode(&with_key(6, b"\x07\x3b\x00\x1f\xff\xff\xff\xff\xff\xfe")).is_ok());
    assert!(decode(&with_key(6, b"\x07\x3b\x00\x1f\xff\xff\xff\xff\xff\xff")).is_err());
    assert!(decode(&with_key(6, b"\x07\x3b\xff\xff\xff\xff\xff\xff\xff\xff")).is_err());
}

#[test]
fn a_box_belongs_to_anonymous_files_only() {
    let plain = sample().encode(Suite::Anonymous, body()).unwrap();
    assert!(Metadata::decode(&plain, Suite::Signed, body()).is_err());
    let keys = [&REQUIRED[..], &[b"\x08\x41\x00"]].concat();
    assert!(decode(&with_keys(&keys)).is_err(), "a box id of one byte");
}

#[test]
fn previews_are_complete_and_bounded() {
    let large = Preview { media_type: String::new(), bytes: vec![0; 32_768] };
    let metadata = Metadata { preview: Some(large), ..sample() };
    let plain = metadata.encode(Suite::Anonymous, body()).unwrap();
    assert_eq!(decode(&plain), Ok(metadata));
    let larger = Preview { media_type: String::new(), bytes: vec![0; 32_769] };
    let metadata = Metadata { preview: Some(larger), ..sample() };
    assert_eq!(metadata.encode(Suite::Anonymous, body()).map(drop), Err(SealError::Metadata));
    for preview in
        [&b"\x09\xa1\x01\x60"[..], b"\x09\xa1\x02\x40", b"\x09\xa3\x01\x60\x02\x40\x03\x00", b"\x09\xa0"]
    {
        let keys = [&REQUIRED[..], &[preview]].concat();
        assert!(decode(&with_keys(&keys)).is_err(), "{preview:02x?}");
    }
}

#[test]
fn metadata_that_does_not_fit_is_not_sealed() {
    let metadata = Metadata { media_type: "m".repeat(512 * 127), ..sample() };
    assert_eq!(metadata.encode(Suite::Anonymous, body()).map(drop), Err(SealError::TooLong));
}

#[test]
fn metadata_takes_up_to_127_blocks() {
    let with_text = |len: usize| Metadata { media_type: "m".repeat(len), ..sample() };
    let around = with_text(60_000).to_cbor().len() - 60_000;
    let longest = with_text(127 * 512 - 4 - around);
    let plain = longest.encode(Suite::Anonymous, body()).unwrap();
    assert_eq!(plain.len(), 127 * 512);
    assert_eq!(decode(&plain), Ok(longest));
    let longer = with_text(127 * 512 - 4 - around + 1);
    assert_eq!(longer.encode(Suite::Anonymous, body()).map(drop), Err(SealError::TooLong));
}

#[test]
fn other_padding_of_the_metadata_is_refused() {
    let plain = with_keys(&REQUIRED);
    assert!(decode(&plain).is_ok());
    for at in [4 + 21, 300, 511] {
        let mut tampered = plain.clone();
        tampered[at] = 1;
        assert!(decode(&tampered).is_err(), "byte {at} is not zero");
    }
    assert!(decode(&[plain.clone(), vec![0; 512]].concat()).is_err(), "a block too many");
    assert!(decode(&plain[..511]).is_err());
    assert!(decode(&[]).is_err());
    let mut longer = plain.clone();
    longer[3] += 1;
    assert!(decode(&longer).is_err(), "a trailing byte of CBOR");
    let mut beyond = plain;
    beyond[2] = 0xff;
    assert!(decode(&beyond).is_err(), "CBOR longer than the plaintext");
}

proptest! {
    #[test]
    fn any_metadata_survives(
        name in "\\PC{1,60}",
        media_type: String,
        stored_size in 0_u64..1 << 40,
        original_size in 0_u64..=MAX_BODY_LEN,
        modified_ms in -(1_i64 << 53) + 1..1 << 53,
        padded: bool,
    ) {
        let Ok(name) = FileName::parse(&name) else { return Ok(()) };
        let padding = if padded { Padding::Padme } else { Padding::None };
        let metadata = Metadata {
            name, media_type, stored_size, original_size, modified_ms, padding,
            compression: Compression::Gzip, box_id: None, preview: None,
        };
        let body = BodyShape::from_plain_len(metadata.plain_len().unwrap()).unwrap();
        let plain = metadata.encode(Suite::Signed, body).unwrap();
        prop_assert_eq!(Metadata::decode(&plain, Suite::Signed, body), Ok(metadata));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(at in 0_usize..120, byte: u8) {
        let mut plain = sample().encode(Suite::Anonymous, body()).unwrap().to_vec();
        plain[at] = byte;
        if let Ok(metadata) = decode(&plain) {
            // Names are composed only by writers, so an uncomposed one is kept as it is.
            prop_assert_eq!(metadata.encode(Suite::Anonymous, body()).unwrap().to_vec(), plain);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(cbor in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&framed(&cbor));
        let _ = decode(&cbor);
    }
}
