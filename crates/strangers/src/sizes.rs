//! Arithmetic over sizes that a stranger chose: padding, segments, parts.

use envelope::segment::{BodyShape, MAX_BODY_LEN, MAX_PARTS, PartShape, SEGMENT_LEN, SEGMENT_PLAIN};
use format::pad::{FLOOR, padme, strip};

use crate::input::Input;

/// Stored size 8, offset 8, plaintext: the padded length is that of the formula, and stripping
/// gives what stands before the end and refuses any byte behind that is not zero.
pub fn padding(data: &[u8]) {
    let mut input = Input::new(data);
    let (stored, offset) = (input.u64(), input.u64());
    if stored <= MAX_BODY_LEN {
        assert_eq!(u128::from(padme(stored)), formula(stored.into()));
        assert!(padme(stored) >= stored.max(FLOOR));
    } else {
        let _ = padme(stored);
    }
    let plain = input.rest();
    let is_stored = |n: usize| u128::from(offset) + (n as u128) < u128::from(stored);
    let kept = (0..plain.len()).take_while(|n| is_stored(*n)).count();
    let expected = plain[kept..].iter().all(|byte| *byte == 0).then_some(&plain[..kept]);
    assert_eq!(strip(stored, offset, plain).ok(), expected);
}

/// max(4096, ⌈L/u⌉·u) of section 3, without machine words that could wrap.
fn formula(stored: u128) -> u128 {
    let bit_len = |n: u128| 128 - n.leading_zeros();
    let len = stored.max(1);
    let e = bit_len(len) - 1;
    let s = bit_len(e.into());
    let unit = 1 << e.saturating_sub(s);
    (len.div_ceil(unit) * unit).max(4096)
}

/// Body length 8, plaintext length 8, part length 8, part 4, segment 8: shapes are exactly those that
/// the format allows, and parts and segments cover a body without gap or overlap.
pub fn body_shape(data: &[u8]) {
    let mut input = Input::new(data);
    let (body_len, plain_len, part_len) = (input.u64(), input.u64(), input.u64());
    let (part, segment) = (input.u32(), input.u64());

    let shape = BodyShape::from_body_len(body_len);
    assert_eq!(shape.is_ok(), is_body_len(body_len.into()));
    if let Ok(shape) = shape {
        assert_eq!(shape.body_len(), body_len);
        assert_eq!(BodyShape::from_plain_len(shape.plain_len()), Ok(shape));
        segments(shape, segment);
    }
    let sealed = BodyShape::from_plain_len(plain_len);
    let count = u128::from(plain_len).div_ceil(262_112).max(1);
    assert_eq!(sealed.is_ok(), u128::from(plain_len) + 32 * count <= 1 << 44);
    if let Ok(shape) = sealed {
        assert_eq!((shape.plain_len(), u128::from(shape.segments())), (plain_len, count));
        parts(shape, PartShape::fitting(Some(shape.body_len())), part);
        assert!(PartShape::fitting(Some(shape.body_len())).holds(shape));
    }
    let cut = PartShape::from_part_len(part_len);
    assert_eq!(cut.is_ok(), part_len.is_power_of_two() && (1 << 20..=1 << 31).contains(&part_len));
    if let (Ok(cut), Ok(shape)) = (cut, shape) {
        assert_eq!((cut.part_bytes(), 1 << cut.level()), (part_len, cut.segments_per_part()));
        assert_eq!(cut.smaller().map(PartShape::part_bytes), (part_len > 1 << 20).then_some(part_len / 2));
        parts(shape, cut, part);
    }
    let _ = PartShape::fitting(Some(body_len));
}

fn is_body_len(len: u128) -> bool {
    let full = SEGMENT_LEN as u128;
    let count = len.div_ceil(full);
    let last = len.wrapping_sub(count.wrapping_sub(1).wrapping_mul(full));
    (32..=1 << 44).contains(&len) && last >= 32 && (count == 1 || last > 32)
}

fn segments(shape: BodyShape, segment: u64) {
    let last = shape.segments() - 1;
    let ends = shape.segment_len(last).expect("there is a last segment") as u64;
    assert_eq!(last * SEGMENT_LEN as u64 + ends, shape.body_len());
    assert!(shape.is_final(last) && shape.segment_len(shape.segments()).is_none());
    assert!(shape.plain_len() <= shape.segments() * SEGMENT_PLAIN as u64);
    match shape.segment_len(segment) {
        Some(len) => assert!(segment <= last && (segment == last || len == SEGMENT_LEN)),
        None => assert!(segment > last),
    }
    let _ = shape.is_final(segment);
}

fn parts(shape: BodyShape, cut: PartShape, part: u32) {
    let count = cut.parts(shape);
    assert_eq!(cut.holds(shape), count <= MAX_PARTS);
    let last = cut.part_len(shape, count - 1).expect("there is a last part");
    assert_eq!(u64::from(count - 1) * cut.part_bytes() + last, shape.body_len());
    assert_eq!(cut.part_len(shape, count), None);
    assert_eq!(cut.segments_of(shape, 0).start, 0);
    assert_eq!(cut.segments_of(shape, count - 1).end, shape.segments());
    let run = cut.segments_of(shape, part);
    assert_eq!(cut.part_len(shape, part).is_some(), part < count);
    assert_eq!(run.is_empty(), part >= count);
    if part < count {
        assert_eq!(cut.part_of(run.start), Some(part));
        assert_eq!(cut.part_of(run.end - 1), Some(part));
        let len: u64 = [run.start, run.end - 1]
            .iter()
            .map(|segment| shape.segment_len(*segment).expect("it is in the body") as u64)
            .sum();
        assert!(len >= cut.part_len(shape, part).expect("it is in the body") || run.end - run.start > 2);
    }
}
