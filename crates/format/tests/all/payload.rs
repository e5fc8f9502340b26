//! Segments: sealed and opened in any order, and every way to tamper with them.

use envelope::merkle;
use envelope::segment::{BodyShape, SEGMENT_LEN, SEGMENT_PLAIN};
use envelope::{FileId, RootId, Suite};
use format::payload::{PLAIN_AT, ResealError, plain_of, plain_of_mut, segments_of};
use format::{FileKey, OpenError, PayloadOpener, PayloadSealer, Position, SealError, Secret, SegmentRecord};
use proptest::prelude::*;

use crate::fixtures::{EDGES, seal_body, text};

const FILE: FileId = FileId::from_bytes([3; 16]);
const AUTHOR: RootId = RootId::from_bytes([4; 32]);

fn fk() -> FileKey {
    FileKey::from_secret(Secret::from_bytes([7; 32]))
}

fn sealer() -> PayloadSealer {
    PayloadSealer::generate(&fk(), Suite::Signed, FILE, AUTHOR)
}

fn opener(sealer: &PayloadSealer) -> PayloadOpener {
    PayloadOpener::new(&fk(), Suite::Signed, FILE, AUTHOR, sealer.header()).unwrap()
}

/// Three segments: two full, one of 17 bytes.
fn three() -> (PayloadSealer, Vec<u8>) {
    let sealer = sealer();
    let (body, _) = seal_body(&sealer, &text(2 * SEGMENT_PLAIN + 17));
    (sealer, body)
}

fn opens(opener: &PayloadOpener, body: &[u8]) -> bool {
    let mut body = body.to_vec();
    opener.open_batch(0, Position::Final, &mut segments_of(&mut body), None).is_ok()
}

#[test]
fn every_edge_length_survives_the_way_there_and_back() {
    for len in EDGES {
        let sealer = sealer();
        let (body, leaves) = seal_body(&sealer, &text(len));
        let opener = opener(&sealer);
        let shape = BodyShape::from_body_len(body.len() as u64).unwrap();
        assert_eq!(shape.plain_len(), len as u64);
        let mut whole = body.clone();
        assert_eq!(
            opener.open_batch(0, Position::Final, &mut segments_of(&mut whole), Some(&leaves)).unwrap(),
            leaves
        );
        assert!(plain_of(&whole).collect::<Vec<_>>().concat() == text(len), "{len} bytes");
        let mut single = Vec::new();
        for (index, segment) in (0_u64..).zip(body.chunks(SEGMENT_LEN)) {
            let position = Position::of(shape, index).unwrap();
            let mut plain = vec![0; segment.len() - 32];
            opener.open(index, position, segment, &mut plain).unwrap();
            assert_eq!(opener.open_in_place(index, position, &mut segment.to_vec()).unwrap(), plain);
            single.extend_from_slice(&plain);
        }
        assert!(single == text(len), "{len} bytes");
        assert_eq!(Position::of(shape, shape.segments()), None);
    }
}

/// Segments are sealed, opened and sealed again in runs of as many as the processor hashes at once.
#[test]
fn a_batch_of_several_runs_is_one_batch() {
    let lanes = merkle::leaves_at_once();
    for count in [2 * lanes, 2 * lanes + 1] {
        let sealer = sealer();
        let opener = opener(&sealer);
        let plain = text((count - 1) * SEGMENT_PLAIN + 17);
        let mut body = vec![0; plain.len() + count * 32];
        fill(&mut body, &plain);
        let records = sealer.seal_batch(0, Position::Final, &mut segments_of(&mut body)).unwrap();
        let mut leaves: Vec<_> = body.chunks(SEGMENT_LEN).map(merkle::leaf).collect();
        assert!(records.iter().map(SegmentRecord::leaf).eq(leaves.iter().copied()));
        for (n, (segment, piece)) in body.chunks(SEGMENT_LEN).zip(plain.chunks(SEGMENT_PLAIN)).enumerate() {
            let position = if n + 1 == count { Position::Final } else { Position::Inner };
            let mut out = vec![0; piece.len()];
            opener.open(n as u64, position, segment, &mut out).unwrap();
            assert!(out == piece, "segment {n} of {count}");
        }
        let mut again = vec![0; body.len()];
        fill(&mut again, &plain);
        sealer.reseal_batch(0, Position::Final, &mut segments_of(&mut again), &records).unwrap();
        assert!(again == body);

        let mut opened = body.clone();
        let found =
            opener.open_batch(0, Position::Final, &mut segments_of(&mut opened), Some(&leaves)).unwrap();
        assert_eq!(found, leaves);
        assert!(plain_of(&opened).collect::<Vec<_>>().concat() == plain);
        let open = |first: usize, end: usize, last| {
            let mut part = body[first * SEGMENT_LEN..(end * SEGMENT_LEN).min(body.len())].to_vec();
            opener.open_batch(first as u64, last, &mut segments_of(&mut part), None).is_ok()
        };
        assert!(open(1, count, Position::Final) && open(0, count - 1, Position::Inner));
        assert!(!open(1, count, Position::Inner) && !open(0, count - 1, Position::Final));
        // Each run is compared with its own leaves.
        for wrong in [0, lanes, count - 1] {
            let right = std::mem::replace(&mut leaves[wrong], merkle::leaf(b"other"));
            let mut part = body.clone();
            let result = opener.open_batch(0, Position::Final, &mut segments_of(&mut part), Some(&leaves));
            assert_eq!(result, Err(OpenError::NotAuthentic));
            assert!(part.iter().all(|byte| *byte == 0));
            leaves[wrong] = right;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_length_survives_in_parts_of_any_size(
        len in prop_oneof![0_usize..2000, SEGMENT_PLAIN - 40..SEGMENT_PLAIN + 40, 0..3 * SEGMENT_PLAIN],
        per_part in 1_usize..4,
    ) {
        let sealer = sealer();
        let opener = opener(&sealer);
        let (body, _) = seal_body(&sealer, &text(len));
        let parts = body.chunks(per_part * SEGMENT_LEN).count();
        let mut plain: Vec<u8> = Vec::new();
        for (n, part) in body.chunks(per_part * SEGMENT_LEN).enumerate() {
            let last = if n + 1 == parts { Position::Final } else { Position::Inner };
            let mut part = part.to_vec();
            opener.open_batch((n * per_part) as u64, last, &mut segments_of(&mut part), None).unwrap();
            plain.extend(plain_of(&part).flatten());
        }
        prop_assert!(plain == text(len));
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_segment_is_refused(bit in 0_usize..8 * 49) {
        let sealer = sealer();
        let (mut body, _) = seal_body(&sealer, &text(17));
        prop_assert!(opens(&opener(&sealer), &body));
        body[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!opens(&opener(&sealer), &body));
    }
}

#[test]
fn every_region_of_a_full_segment_is_authenticated() {
    let (sealer, body) = three();
    let opener = opener(&sealer);
    for at in [0, 3, 4, 15, 16, 100_000, SEGMENT_LEN - 17, SEGMENT_LEN - 16, SEGMENT_LEN - 1] {
        for segment in [0, SEGMENT_LEN] {
            let mut tampered = body.clone();
            tampered[segment + at] ^= 1;
            assert!(!opens(&opener, &tampered), "byte {at}");
        }
    }
}

#[test]
fn truncation_is_refused() {
    let (sealer, body) = three();
    let opener = opener(&sealer);
    assert!(opens(&opener, &body));
    for len in [1, 31, 32, SEGMENT_LEN, 2 * SEGMENT_LEN, body.len() - 17, body.len() - 1] {
        assert!(!opens(&opener, &body[..len]), "{len} bytes");
    }
}

#[test]
fn extension_is_refused() {
    let (sealer, body) = three();
    let opener = opener(&sealer);
    assert!(!opens(&opener, &[body.clone(), vec![0]].concat()));
    assert!(!opens(&opener, &[body[..2 * SEGMENT_LEN].to_vec(), body.clone()].concat()));
}

#[test]
fn a_relabelled_final_segment_is_refused() {
    let (sealer, body) = three();
    let opener = opener(&sealer);
    let mut cut = body[..2 * SEGMENT_LEN].to_vec();
    let own_len = u32::try_from(SEGMENT_LEN).unwrap().to_be_bytes();
    cut[SEGMENT_LEN..SEGMENT_LEN + 4].copy_from_slice(&own_len);
    assert!(!opens(&opener, &cut));
}

#[test]
fn reordered_segments_are_refused() {
    let (sealer, mut swapped) = three();
    swapped[..2 * SEGMENT_LEN].rotate_left(SEGMENT_LEN);
    assert!(!opens(&opener(&sealer), &swapped));
}

#[test]
fn a_duplicated_segment_is_refused() {
    let (sealer, mut doubled) = three();
    doubled.copy_within(..SEGMENT_LEN, SEGMENT_LEN);
    assert!(!opens(&opener(&sealer), &doubled));
}

#[test]
fn a_segment_of_another_upload_of_the_same_file_is_refused() {
    let ((one, body), (_, other)) = (three(), three());
    let spliced = [&body[..SEGMENT_LEN], &other[SEGMENT_LEN..]].concat();
    assert!(!opens(&opener(&one), &spliced));
}

#[test]
fn a_header_is_bound_to_key_suite_file_and_author() {
    let sealer = sealer();
    let header = sealer.header();
    let new =
        |fk: &FileKey, suite, file, author| PayloadOpener::new(fk, suite, file, author, header).map(drop);
    assert_eq!(new(&fk(), Suite::Signed, FILE, AUTHOR), Ok(()));
    let refused = Err(OpenError::NotAuthentic);
    assert_eq!(new(&FileKey::generate(), Suite::Signed, FILE, AUTHOR), refused);
    assert_eq!(new(&fk(), Suite::Anonymous, FILE, AUTHOR), refused);
    assert_eq!(new(&fk(), Suite::Signed, FileId::from_bytes([5; 16]), AUTHOR), refused);
    assert_eq!(new(&fk(), Suite::Signed, FILE, RootId::ZERO), refused);
    for at in 0..74 {
        let mut tampered = *header;
        tampered[at] ^= 1;
        assert!(PayloadOpener::new(&fk(), Suite::Signed, FILE, AUTHOR, &tampered).is_err(), "byte {at}");
        assert!(PayloadSealer::resume(&fk(), Suite::Signed, FILE, AUTHOR, &tampered).is_err(), "byte {at}");
    }
}

#[test]
fn a_leaf_that_is_not_the_proven_one_is_refused_although_the_tag_fits() {
    let (sealer, body) = three();
    let opener = opener(&sealer);
    let mut leaves: Vec<_> = body.chunks(SEGMENT_LEN).map(merkle::leaf).collect();
    assert!(
        opener.open_batch(0, Position::Final, &mut segments_of(&mut body.clone()), Some(&leaves)).is_ok()
    );
    leaves[1] = merkle::leaf(b"other");
    assert!(
        opener.open_batch(0, Position::Final, &mut segments_of(&mut body.clone()), Some(&leaves)).is_err()
    );
    let mut body = body;
    assert!(opener.open_batch(0, Position::Final, &mut segments_of(&mut body), Some(&leaves[..2])).is_err());
}

#[test]
fn nothing_is_left_of_a_part_that_fails() {
    let (sealer, mut body) = three();
    let end = body.len() - 1;
    body[end] ^= 1;
    assert!(opener(&sealer).open_batch(0, Position::Final, &mut segments_of(&mut body), None).is_err());
    assert!(body.iter().all(|byte| *byte == 0));
    let (sealer, body) = three();
    let mut plain = vec![1; SEGMENT_PLAIN];
    assert!(opener(&sealer).open(1, Position::Inner, &body[..SEGMENT_LEN], &mut plain).is_err());
    assert!(plain.iter().all(|byte| *byte == 0));
}

#[test]
fn shapes_that_a_reader_would_refuse_are_not_sealed() {
    let sealer = sealer();
    let refused = Err(SealError::SegmentShape);
    let full = text(SEGMENT_PLAIN);
    let mut out = vec![0; SEGMENT_LEN];
    assert_eq!(sealer.seal(0, Position::Inner, &full[1..], &mut out[1..]).map(drop), refused);
    assert_eq!(sealer.seal(0, Position::Final, &full, &mut out[1..]).map(drop), refused);
    assert_eq!(sealer.seal(1, Position::Final, &[], &mut out[..32]).map(drop), refused);
    assert_eq!(sealer.seal(0, Position::Final, &[], &mut out[..32]).map(drop), Ok(()));
    assert_eq!(
        sealer.seal(0, Position::Final, &text(SEGMENT_PLAIN + 1), &mut vec![0; SEGMENT_LEN + 1]).map(drop),
        refused
    );
    assert_eq!(sealer.seal_in_place(0, Position::Final, &mut out[..31]).map(drop), refused);
    assert_eq!(
        sealer
            .seal_batch(u64::MAX, Position::Final, &mut segments_of(&mut vec![0; SEGMENT_LEN + 40]))
            .map(drop),
        refused
    );
    assert_eq!(
        sealer.seal_batch(0, Position::Inner, &mut segments_of(&mut vec![0; SEGMENT_LEN + 40])).map(drop),
        refused
    );
}

#[test]
fn the_same_plaintext_never_seals_to_the_same_bytes() {
    let sealer = sealer();
    let (one, _) = seal_body(&sealer, b"text");
    let (other, _) = seal_body(&sealer, b"text");
    assert_ne!(one[4..16], other[4..16], "the IV is random");
    assert_ne!(one, other);
    assert_ne!(self::sealer().header(), sealer.header());
}

/// What the journal has of an upload that died: header, records; and the source again.
fn interrupted() -> (PayloadSealer, Vec<SegmentRecord>, Vec<u8>, Vec<u8>) {
    let sealer = sealer();
    let plain = text(2 * SEGMENT_PLAIN + 17);
    let mut part = vec![0; plain.len() + 3 * 32];
    fill(&mut part, &plain);
    let records = sealer.seal_batch(0, Position::Final, &mut segments_of(&mut part)).unwrap();
    let records: Vec<_> =
        records.iter().map(|record| SegmentRecord::from_bytes(&record.to_bytes())).collect();
    let resumed = PayloadSealer::resume(&fk(), Suite::Signed, FILE, AUTHOR, sealer.header()).unwrap();
    (resumed, records, plain, part)
}

fn fill(part: &mut [u8], plain: &[u8]) {
    for (room, piece) in plain_of_mut(part).zip(plain.chunks(SEGMENT_PLAIN)) {
        room.copy_from_slice(piece);
    }
}

#[test]
fn a_resumed_upload_makes_the_same_bytes_again() {
    let (sealer, records, plain, sealed) = interrupted();
    let mut again = vec![0; sealed.len()];
    fill(&mut again, &plain);
    sealer.reseal_batch(0, Position::Final, &mut segments_of(&mut again), &records).unwrap();
    assert!(again == sealed);
    let mut one = vec![0; SEGMENT_LEN];
    sealer
        .reseal(1, Position::Inner, &plain[SEGMENT_PLAIN..2 * SEGMENT_PLAIN], &records[1], &mut one)
        .unwrap();
    assert!(one == sealed[SEGMENT_LEN..2 * SEGMENT_LEN]);
}

#[test]
fn a_changed_source_releases_nothing() {
    let (sealer, records, mut plain, sealed) = interrupted();
    plain[SEGMENT_PLAIN + 5] ^= 1;
    let mut part = vec![0xaa; sealed.len()];
    fill(&mut part, &plain);
    assert_eq!(
        sealer.reseal_batch(0, Position::Final, &mut segments_of(&mut part), &records),
        Err(ResealError::SourceChanged)
    );
    assert!(part.iter().all(|byte| *byte == 0));
    let mut out = vec![0xaa; SEGMENT_LEN];
    let changed = &plain[SEGMENT_PLAIN..2 * SEGMENT_PLAIN];
    assert_eq!(
        sealer.reseal(1, Position::Inner, changed, &records[1], &mut out),
        Err(ResealError::SourceChanged)
    );
    assert!(out.iter().all(|byte| *byte == 0));
}

#[test]
fn a_record_of_another_segment_releases_nothing() {
    let (sealer, records, plain, _) = interrupted();
    for (index, position, record, plain) in [
        (0, Position::Inner, &records[1], &plain[..SEGMENT_PLAIN]),
        (1, Position::Inner, &records[0], &plain[..SEGMENT_PLAIN]),
        (0, Position::Final, &records[0], &plain[..SEGMENT_PLAIN]),
        (0, Position::Final, &records[0], &plain[..17]),
    ] {
        let mut out = vec![0xaa; plain.len() + 32];
        assert_eq!(sealer.reseal(index, position, plain, record, &mut out), Err(ResealError::SourceChanged));
        assert!(out.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_reseal_of_another_shape_releases_nothing() {
    let (sealer, records, plain, _) = interrupted();
    let mut out = vec![0xaa; 40];
    let refused = Err(ResealError::SegmentShape);
    assert_eq!(sealer.reseal(0, Position::Inner, &plain[..8], &records[0], &mut out), refused);
    assert!(out.iter().all(|byte| *byte == 0));
    let mut out = vec![0xaa; 10];
    assert_eq!(sealer.reseal(0, Position::Final, &plain[..8], &records[0], &mut out), refused);
    assert!(out.iter().all(|byte| *byte == 0));
    let mut part = vec![0xaa; SEGMENT_LEN + 49];
    assert_eq!(sealer.reseal_batch(0, Position::Final, &mut segments_of(&mut part), &records), refused);
    assert!(part.iter().all(|byte| *byte == 0));
}

#[test]
fn a_record_is_iv_then_leaf() {
    let (_, records, _, sealed) = interrupted();
    let bytes = records[0].to_bytes();
    assert_eq!(bytes[..12], sealed[4..16]);
    assert_eq!(&bytes[12..], merkle::leaf(&sealed[..SEGMENT_LEN]).as_bytes());
    assert_eq!(PLAIN_AT, 16);
}
