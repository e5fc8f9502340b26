//! Shapes of bodies and parts, and the framing of segments.

use envelope::segment::{
    BodyShape, FramingError, MAX_BODY_LEN, MAX_PARTS, MAX_SEGMENTS, PartShape, SEGMENT_LEN, SEGMENT_PLAIN,
    check_framing,
};
use proptest::prelude::*;

const LEN: u64 = SEGMENT_LEN as u64;
const PLAIN: u64 = SEGMENT_PLAIN as u64;

#[test]
fn edges_have_their_shapes() {
    for (plain, segments, body) in [
        (0, 1, 32),
        (1, 1, 33),
        (PLAIN - 1, 1, LEN - 1),
        (PLAIN, 1, LEN),
        (PLAIN + 1, 2, LEN + 33),
        (2 * PLAIN, 2, 2 * LEN),
    ] {
        let shape = BodyShape::from_plain_len(plain).unwrap();
        assert_eq!((shape.segments(), shape.body_len(), shape.plain_len()), (segments, body, plain));
        assert_eq!(BodyShape::from_body_len(body).unwrap(), shape);
    }
}

#[test]
fn impossible_lengths_are_refused() {
    for body in [0, 1, 31, LEN + 1, LEN + 31, 5 * LEN + 31, MAX_BODY_LEN + 1, u64::MAX] {
        assert!(BodyShape::from_body_len(body).is_err(), "{body}");
    }
}

#[test]
fn an_empty_last_segment_after_others_is_refused() {
    assert!(BodyShape::from_body_len(32).is_ok());
    assert!(BodyShape::from_body_len(LEN + 32).is_err());
    assert!(BodyShape::from_body_len(9 * LEN + 32).is_err());
    assert!(BodyShape::from_body_len(LEN + 33).is_ok());
}

#[test]
fn the_longest_body_has_all_segments() {
    let shape = BodyShape::from_body_len(MAX_BODY_LEN).unwrap();
    assert_eq!(shape.segments(), MAX_SEGMENTS);
    assert_eq!(BodyShape::from_plain_len(shape.plain_len()).unwrap(), shape);
    assert!(BodyShape::from_plain_len(shape.plain_len() + 1).is_err());
    assert!(BodyShape::from_plain_len(u64::MAX).is_err());
    assert!(PartShape::LARGEST.holds(shape));
    assert!(PartShape::fitting(Some(MAX_BODY_LEN)).holds(shape));
}

#[test]
fn part_lengths_are_powers_of_two_from_one_mebibyte() {
    for log2 in 20..=31 {
        assert_eq!(PartShape::from_part_len(1 << log2).unwrap().part_bytes(), 1 << log2);
    }
    for len in [0, 1, LEN, 2 * LEN, (1 << 20) - 1, (1 << 20) + 1, 3 << 20, 1 << 32, u64::MAX] {
        assert!(PartShape::from_part_len(len).is_err(), "{len}");
    }
    assert_eq!(PartShape::DEFAULT.part_bytes(), 16 << 20);
    assert_eq!(PartShape::SMALLEST.smaller(), None);
}

#[test]
fn a_part_shape_says_its_size_in_every_unit() {
    for log2 in 2..=13 {
        let shape = PartShape::from_part_len(LEN << log2).unwrap();
        assert_eq!(
            (shape.level(), shape.segments_per_part(), shape.part_bytes()),
            (log2, 1 << log2, LEN << log2)
        );
        assert_eq!(shape.smaller().map(PartShape::level), (log2 > 2).then(|| log2 - 1));
    }
    assert_eq!(
        (PartShape::SMALLEST.level(), PartShape::DEFAULT.level(), PartShape::LARGEST.level()),
        (2, 6, 13)
    );
}

#[test]
fn a_body_fits_in_exactly_ten_thousand_parts() {
    let smallest = PartShape::SMALLEST;
    let fits = BodyShape::from_body_len(u64::from(MAX_PARTS) * smallest.part_bytes()).unwrap();
    let longer = BodyShape::from_body_len(fits.body_len() + 33).unwrap();
    assert_eq!((smallest.parts(fits), smallest.parts(longer)), (10_000, 10_001));
    assert!(smallest.holds(fits) && !smallest.holds(longer));
    assert_eq!(smallest.part_len(longer, 10_000), Some(33));
    assert_eq!(smallest.segments_of(longer, 10_000), 40_000..40_001);
    assert!(smallest.segments_of(longer, 10_001).is_empty());
    assert_eq!((smallest.part_of(39_999), smallest.part_of(40_000)), (Some(9_999), Some(10_000)));
    assert_eq!(smallest.part_of(u64::MAX), None);
}

#[test]
fn every_segment_of_a_body_has_its_length() {
    let shape = BodyShape::from_plain_len(2 * PLAIN + 5).unwrap();
    let lengths: Vec<Option<usize>> = (0..4).map(|index| shape.segment_len(index)).collect();
    assert_eq!(lengths, [Some(SEGMENT_LEN), Some(SEGMENT_LEN), Some(37), None]);
    assert_eq!([0, 1, 2, 3].map(|index| shape.is_final(index)), [false, false, true, false]);
}

#[test]
fn the_default_part_grows_only_when_it_must() {
    let default_capacity = u64::from(MAX_PARTS) * PartShape::DEFAULT.part_bytes();
    assert_eq!(PartShape::fitting(None), PartShape::DEFAULT);
    assert_eq!(PartShape::fitting(Some(default_capacity)), PartShape::DEFAULT);
    assert_eq!(PartShape::fitting(Some(default_capacity + 1)).part_bytes(), 32 << 20);
}

proptest! {
    #[test]
    fn segments_and_parts_tile_the_body(plain in 0_u64..1 << 34, log2 in 20_u32..=31) {
        let body = BodyShape::from_plain_len(plain).unwrap();
        let parts = PartShape::from_part_len(1 << log2).unwrap();
        prop_assert_eq!(body.plain_len(), plain);
        let count = parts.parts(body);
        prop_assert_eq!(parts.part_len(body, count), None);
        prop_assert!(parts.segments_of(body, count).is_empty());
        let (mut bytes, mut next) = (0, 0);
        for part in 0..count {
            let segments = parts.segments_of(body, part);
            prop_assert_eq!(segments.start, next);
            prop_assert_eq!(parts.part_of(segments.start), Some(part));
            next = segments.end;
            bytes += parts.part_len(body, part).unwrap();
        }
        prop_assert_eq!(next, body.segments());
        prop_assert_eq!(bytes, body.body_len());
        prop_assert!(body.is_final(body.segments() - 1));
        prop_assert_eq!(body.segment_len(body.segments()), None);
    }
}

#[test]
fn framing_follows_from_the_position() {
    let mut full = vec![0; SEGMENT_LEN];
    full[..4].fill(0xff);
    assert_eq!(check_framing(&full, false), Ok(()));
    assert_eq!(check_framing(&full, true), Err(FramingError::LengthWord));
    full[..4].copy_from_slice(&u32::try_from(SEGMENT_LEN).unwrap().to_be_bytes());
    assert_eq!(check_framing(&full, true), Ok(()));
    assert_eq!(check_framing(&full, false), Err(FramingError::LengthWord));
    assert_eq!(check_framing(&full[..SEGMENT_LEN - 1], false), Err(FramingError::Length));
    assert_eq!(check_framing(&full[..SEGMENT_LEN - 1], true), Err(FramingError::LengthWord));
    assert_eq!(check_framing(&[0, 0, 0, 31], true), Err(FramingError::Length));
    assert_eq!(check_framing(&[], false), Err(FramingError::Length));
}

#[test]
fn plaintext_is_not_framed_as_sealed() {
    let text = vec![b'a'; SEGMENT_LEN];
    assert!(check_framing(&text, false).is_err());
    assert!(check_framing(&text[..1000], true).is_err());
}

#[test]
fn there_is_no_part_behind_the_last_full_one() {
    let shape = PartShape::SMALLEST;
    let body = BodyShape::from_body_len(2 * shape.part_bytes()).unwrap();
    assert_eq!(shape.parts(body), 2);
    assert_eq!(shape.part_len(body, 1), Some(shape.part_bytes()));
    assert_eq!((shape.part_len(body, 2), shape.segments_of(body, 2)), (None, 8..8));
}
