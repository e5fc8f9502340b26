//! Our FLOE against another implementation of it, both ways.

use envelope::segment::{MAX_SEGMENTS, SEGMENT_LEN, SEGMENT_PLAIN};
use envelope::{FileId, RootId, Suite};
use fast_floe::low_level::{MessageLayout, start_decryption, start_encryption};
use fast_floe::{Header, Key, Parameters};
use format::payload::{plain_of, segments_of};
use format::small::{open_small, seal_small, sealed_len};
use format::{FileKey, OpenError, PayloadOpener, PayloadSealer, Position, SealError, Secret};
use proptest::prelude::*;

use crate::fixtures::{EDGES, role_key, seal_body, text};

const FILE: FileId = FileId::from_bytes([3; 16]);
const AUTHOR: RootId = RootId::from_bytes([4; 32]);

fn fk() -> FileKey {
    FileKey::from_secret(Secret::from_bytes([7; 32]))
}

fn oracle_key() -> Key {
    Key::from_bytes(role_key(&fk(), FILE, "payload"))
}

/// The payload's associated data, written out from the format's text.
fn oracle_aad() -> Vec<u8> {
    [b"waxwing/v1/payload\0\x00\x01".as_slice(), &[3; 16], &[4; 32]].concat()
}

fn parameters() -> Parameters {
    Parameters::with_segment_length(262_144).unwrap()
}

/// The layout of the longest message, in which every position exists.
fn longest() -> MessageLayout {
    parameters().plaintext_layout(MAX_SEGMENTS * SEGMENT_PLAIN as u64).unwrap()
}

/// Positions around the rotation of data keys at 2^20, and the ends.
const POSITIONS: [u64; 9] =
    [0, 1, 1 << 14, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (1 << 21) - 1, 1 << 21, MAX_SEGMENTS - 2];

#[test]
fn the_other_implementation_opens_what_we_seal() {
    for len in EDGES {
        let sealer = PayloadSealer::generate(&fk(), Suite::Signed, FILE, AUTHOR);
        let (body, _) = seal_body(&sealer, &text(len));
        let message = [sealer.header().as_slice(), &body].concat();
        let opened = fast_floe::decrypt(&oracle_key(), &oracle_aad(), &message).unwrap();
        assert!(opened == text(len), "{len} bytes");
    }
}

#[test]
fn we_open_what_the_other_implementation_seals() {
    for len in EDGES {
        let message = fast_floe::encrypt(&oracle_key(), &oracle_aad(), parameters(), &text(len)).unwrap();
        let (header, body) = message.split_first_chunk::<74>().unwrap();
        let opener = PayloadOpener::new(&fk(), Suite::Signed, FILE, AUTHOR, header).unwrap();
        let mut body = body.to_vec();
        opener.open_batch(0, Position::Final, &mut segments_of(&mut body), None).unwrap();
        assert!(plain_of(&body).collect::<Vec<_>>().concat() == text(len), "{len} bytes");
    }
}

#[test]
fn the_other_implementation_opens_segments_at_every_rotation() {
    let sealer = PayloadSealer::generate(&fk(), Suite::Signed, FILE, AUTHOR);
    let header = Header::from(*sealer.header());
    let mut oracle = start_decryption(&oracle_key(), &oracle_aad(), parameters(), &header).unwrap();
    let plain = text(SEGMENT_PLAIN);
    let mut sealed = vec![0; SEGMENT_LEN];
    for index in POSITIONS {
        sealer.seal(index, Position::Inner, &plain, &mut sealed).unwrap();
        let layout = longest().segment_for_position(index).unwrap();
        assert!(oracle.decrypt_segment(&sealed, layout).unwrap() == plain, "position {index}");
    }
    sealer.seal(MAX_SEGMENTS - 1, Position::Final, &plain, &mut sealed).unwrap();
    assert!(oracle.decrypt_segment(&sealed, longest().final_segment()).unwrap() == plain);
    assert!(sealer.seal(MAX_SEGMENTS, Position::Final, &plain, &mut sealed).is_err());
}

#[test]
fn we_open_segments_of_the_other_implementation_at_every_rotation() {
    let (mut oracle, header) = start_encryption(&oracle_key(), &oracle_aad(), parameters()).unwrap();
    let opener = PayloadOpener::new(&fk(), Suite::Signed, FILE, AUTHOR, header.as_bytes()).unwrap();
    let plain = text(SEGMENT_PLAIN);
    let mut opened = vec![0; SEGMENT_PLAIN];
    for index in POSITIONS {
        let layout = longest().segment_for_position(index).unwrap();
        let sealed = oracle.encrypt_segment(&plain, layout).unwrap();
        opener.open(index, Position::Inner, &sealed, &mut opened).unwrap();
        assert!(opened == plain, "position {index}");
        assert!(opener.open(index ^ 1, Position::Inner, &sealed, &mut opened).is_err());
        assert!(opener.open(index ^ 1 << 20, Position::Inner, &sealed, &mut opened).is_err());
    }
}

#[test]
fn small_messages_agree_both_ways() {
    let key = Secret::from_bytes([9; 32]);
    let oracle = Key::from_bytes([9; 32]);
    for len in [0, 1, 32, 512, SEGMENT_PLAIN] {
        let ours = seal_small(&key, b"aad", &text(len)).unwrap();
        assert_eq!(ours.len(), sealed_len(len));
        assert_eq!(fast_floe::decrypt(&oracle, b"aad", &ours).unwrap(), text(len));
        let theirs = fast_floe::encrypt(&oracle, b"aad", parameters(), &text(len)).unwrap();
        assert_eq!(*open_small(&key, b"aad", &theirs).unwrap(), text(len));
    }
    for len in [SEGMENT_PLAIN + 1, SEGMENT_PLAIN + 2] {
        assert_eq!(seal_small(&key, b"aad", &text(len)), Err(SealError::TooLong));
    }
}

#[test]
fn a_small_message_of_two_segments_is_refused() {
    let oracle = Key::from_bytes([9; 32]);
    let two = fast_floe::encrypt(&oracle, b"aad", parameters(), &text(SEGMENT_PLAIN + 1)).unwrap();
    assert!(open_small(&Secret::from_bytes([9; 32]), b"aad", &two).is_err());
}

#[test]
fn messages_of_other_parameters_are_refused() {
    let oracle = Key::from_bytes([9; 32]);
    let other = fast_floe::encrypt(&oracle, b"aad", Parameters::SEGMENT_4_KIB, b"text").unwrap();
    assert!(matches!(open_small(&Secret::from_bytes([9; 32]), b"aad", &other), Err(OpenError::Malformed(_))));
}

proptest! {
    #[test]
    fn every_flipped_bit_of_a_small_message_is_refused(bit in 0_usize..8 * 138) {
        let key = Secret::from_bytes([9; 32]);
        let mut sealed = seal_small(&key, b"aad", &[1; 32]).unwrap();
        prop_assert!(open_small(&key, b"aad", &sealed).is_ok());
        prop_assert!(open_small(&key, b"aae", &sealed).is_err());
        prop_assert!(open_small(&Secret::from_bytes([8; 32]), b"aad", &sealed).is_err());
        sealed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open_small(&key, b"aad", &sealed).is_err());
    }

    #[test]
    fn arbitrary_small_messages_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = open_small(&Secret::from_bytes([9; 32]), b"", &bytes);
    }
}
