//! How a body is cut: into segments of 256 KiB, and into parts that travel and rest as one.

use std::ops::Range;

use crate::ParseError;

/// Bytes of a full sealed segment: 2^18.
pub const SEGMENT_LEN: usize = 262_144;
/// Bytes around the plaintext of a segment: length word 4, IV 12, tag 16.
pub const SEGMENT_OVERHEAD: usize = 32;
/// Plaintext bytes of a full segment.
pub const SEGMENT_PLAIN: usize = SEGMENT_LEN - SEGMENT_OVERHEAD;
/// Longest body in bytes: 2^44.
pub const MAX_BODY_LEN: u64 = 1 << 44;
/// Most segments of a body: 2^26.
pub const MAX_SEGMENTS: u64 = 1 << 26;
/// Most parts of an upload.
pub const MAX_PARTS: u32 = 10_000;

const LEN: u64 = SEGMENT_LEN as u64;
const PLAIN: u64 = SEGMENT_PLAIN as u64;
const OVERHEAD: u64 = SEGMENT_OVERHEAD as u64;

/// A legal body: its length, and with it the number and length of its segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyShape {
    body_len: u64,
}

impl BodyShape {
    /// The shape of a sealed body of `body_len` bytes.
    ///
    /// Refuses more than 2^44 bytes, a last segment shorter than its overhead, and an empty
    /// last segment after others, which would be a second spelling of the same plaintext.
    pub fn from_body_len(body_len: u64) -> Result<Self, ParseError> {
        let out_of_range = Err(ParseError::OutOfRange { field: "body length" });
        if !(OVERHEAD..=MAX_BODY_LEN).contains(&body_len) {
            return out_of_range;
        }
        let last = (body_len - 1) % LEN + 1;
        let several = body_len > LEN;
        if last < OVERHEAD || (several && last == OVERHEAD) {
            return out_of_range;
        }
        Ok(Self { body_len })
    }

    /// The shape of the body that seals `plain_len` bytes (after padding).
    pub fn from_plain_len(plain_len: u64) -> Result<Self, ParseError> {
        let segments = plain_len.div_ceil(PLAIN).max(1);
        match plain_len.checked_add(segments * OVERHEAD) {
            Some(body_len) => Self::from_body_len(body_len),
            None => Err(ParseError::OutOfRange { field: "body length" }),
        }
    }

    /// Length of the sealed body in bytes.
    pub fn body_len(self) -> u64 {
        self.body_len
    }

    /// Length of the plaintext (padding included) in bytes.
    pub fn plain_len(self) -> u64 {
        self.body_len - self.segments() * OVERHEAD
    }

    /// Number of segments, at least 1.
    pub fn segments(self) -> u64 {
        self.body_len.div_ceil(LEN)
    }

    /// Sealed length of segment `index` in bytes; `None` past the end.
    pub fn segment_len(self, index: u64) -> Option<usize> {
        let last = self.segments() - 1;
        if index > last {
            return None;
        }
        let len = if index < last { LEN } else { self.body_len - last * LEN };
        Some(usize::try_from(len).expect("a segment is at most 2^18 bytes"))
    }

    /// Whether segment `index` is the last one.
    pub fn is_final(self, index: u64) -> bool {
        index == self.segments() - 1
    }
}

/// How many segments travel together: a power of two, the same for all parts of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartShape {
    log2_segments: u32,
}

impl PartShape {
    /// 64 segments, 16 MiB.
    pub const DEFAULT: Self = Self { log2_segments: 6 };
    /// 4 segments, 1 MiB: what a client falls back to behind a proxy that refuses larger bodies.
    pub const SMALLEST: Self = Self { log2_segments: 2 };
    /// 8,192 segments, 2 GiB: enough for the longest body within [`MAX_PARTS`].
    pub const LARGEST: Self = Self { log2_segments: 13 };

    /// Parts of `part_len` bytes: 1 MiB to 2 GiB, a power of two.
    pub fn from_part_len(part_len: u64) -> Result<Self, ParseError> {
        let log2_segments = (part_len / LEN).checked_ilog2().unwrap_or(0);
        let shape = Self { log2_segments };
        let in_range = (Self::SMALLEST.log2_segments..=Self::LARGEST.log2_segments).contains(&log2_segments);
        if !in_range || shape.part_bytes() != part_len {
            return Err(ParseError::OutOfRange { field: "part length" });
        }
        Ok(shape)
    }

    /// The default, or as much larger as a body of `body_len` bytes needs to stay within [`MAX_PARTS`].
    ///
    /// An unknown length gets the default, which holds 10,000 × 16 MiB.
    pub fn fitting(body_len: Option<u64>) -> Self {
        let mut shape = Self::DEFAULT;
        while shape != Self::LARGEST
            && body_len.is_some_and(|len| len.div_ceil(shape.part_bytes()) > u64::from(MAX_PARTS))
        {
            shape.log2_segments += 1;
        }
        shape
    }

    /// Half of this, or `None` below [`PartShape::SMALLEST`].
    pub fn smaller(self) -> Option<Self> {
        (self != Self::SMALLEST).then(|| Self { log2_segments: self.log2_segments - 1 })
    }

    /// Length of a full part in bytes.
    pub fn part_bytes(self) -> u64 {
        LEN << self.log2_segments
    }

    /// Segments of a full part.
    pub fn segments_per_part(self) -> u64 {
        1 << self.log2_segments
    }

    /// Height of a full part's node above the leaves of the integrity tree.
    pub fn level(self) -> u32 {
        self.log2_segments
    }

    /// Number of parts of `body`, at least 1. May exceed [`MAX_PARTS`]: see [`PartShape::holds`].
    pub fn parts(self, body: BodyShape) -> u32 {
        u32::try_from(body.segments().div_ceil(self.segments_per_part()))
            .expect("2^26 segments in parts of at least 4 are at most 2^24")
    }

    /// Whether `body` fits in [`MAX_PARTS`] parts of this shape.
    pub fn holds(self, body: BodyShape) -> bool {
        self.parts(body) <= MAX_PARTS
    }

    /// Length of part `part` of `body` in bytes; `None` past the end.
    pub fn part_len(self, body: BodyShape, part: u32) -> Option<u64> {
        let start = u64::from(part) * self.part_bytes();
        (start < body.body_len()).then(|| (body.body_len() - start).min(self.part_bytes()))
    }

    /// Indices of the segments of part `part` of `body`; empty past the end.
    pub fn segments_of(self, body: BodyShape, part: u32) -> Range<u64> {
        let start = (u64::from(part) << self.log2_segments).min(body.segments());
        start..(start + self.segments_per_part()).min(body.segments())
    }

    /// The part that holds segment `segment` (below 2^26).
    pub fn part_of(self, segment: u64) -> Option<u32> {
        u32::try_from(segment >> self.log2_segments).ok()
    }
}

/// Why bytes are not framed as a sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// The segment is longer than 2^18 bytes, shorter than its overhead, or not full although not the last.
    #[error("segment has a wrong length")]
    Length,
    /// The length word does not say what the position of the segment says.
    #[error("segment has a wrong length word")]
    LengthWord,
}

/// Checks the length word that every segment begins with, without any key.
///
/// A segment that is not the last is full and begins with `FF FF FF FF`; the last begins with
/// its own total length.
pub fn check_framing(segment: &[u8], is_final: bool) -> Result<(), FramingError> {
    let legal_len = if is_final {
        (SEGMENT_OVERHEAD..=SEGMENT_LEN).contains(&segment.len())
    } else {
        segment.len() == SEGMENT_LEN
    };
    if !legal_len {
        return Err(FramingError::Length);
    }
    let expected = if is_final { u32::try_from(segment.len()).unwrap_or(0) } else { u32::MAX };
    if segment[..4] == expected.to_be_bytes() { Ok(()) } else { Err(FramingError::LengthWord) }
}
