//! The payload of a file: its segments, sealed and opened in any order and in parallel.

use std::fmt;

use envelope::merkle::{self, Node};
use envelope::segment::{BodyShape, MAX_SEGMENTS, SEGMENT_LEN, SEGMENT_OVERHEAD};
use envelope::small::HEADER_LEN;
use envelope::{FileId, RootId, Suite};
use rayon::prelude::*;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

pub use crate::floe::Position;
use crate::floe::{CIPHERTEXT_AT, IV_LEN, Message};
use crate::kdf::{Role, file_role_key};
use crate::{FileKey, OpenError, SealError, random};

/// Where the plaintext stands in a buffer that is sealed or opened in place.
pub const PLAIN_AT: usize = CIPHERTEXT_AT;

impl Position {
    /// The position of segment `index` in `shape`; `None` past the end.
    pub fn of(shape: BodyShape, index: u64) -> Option<Self> {
        shape.segment_len(index)?;
        Some(if shape.is_final(index) { Self::Final } else { Self::Inner })
    }
}

/// What the journal keeps about one sealed segment: its IV and its leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRecord {
    iv: [u8; IV_LEN],
    leaf: Node,
}

impl SegmentRecord {
    /// Bytes of a record.
    pub const LEN: usize = 44;

    /// The record as it stands in the journal: IV 12, leaf 32.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..IV_LEN].copy_from_slice(&self.iv);
        bytes[IV_LEN..].copy_from_slice(self.leaf.as_bytes());
        bytes
    }

    /// Reads back what [`SegmentRecord::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (iv, leaf) = bytes.split_at(IV_LEN);
        Self {
            iv: iv.try_into().expect("12 bytes"),
            leaf: Node::from_bytes(leaf.try_into().expect("32 bytes")),
        }
    }

    /// The segment's leaf in the integrity tree.
    pub fn leaf(&self) -> Node {
        self.leaf
    }
}

/// Why a recorded segment was not made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResealError {
    /// The source is not what was sealed before. Abandon the upload: new file key, new file id.
    #[error("the source changed since the upload began")]
    SourceChanged,
    /// Position and buffer lengths do not fit together.
    #[error("segment position and buffer lengths do not fit together")]
    SegmentShape,
}

/// Seals the segments of one payload. Shared between threads by reference.
pub struct PayloadSealer(Message);

impl PayloadSealer {
    /// Begins a payload: a fresh FLOE header under the file's payload key.
    pub fn generate(fk: &FileKey, suite: Suite, file_id: FileId, author: RootId) -> Self {
        let key = file_role_key(fk, file_id, Role::Payload);
        Self(Message::generate(&key, &aad(suite, file_id, author), MAX_SEGMENTS))
    }

    /// Takes up a payload whose header was recorded; fails if any argument differs from the first time.
    pub fn resume(
        fk: &FileKey,
        suite: Suite,
        file_id: FileId,
        author: RootId,
        header: &[u8; HEADER_LEN],
    ) -> Result<Self, OpenError> {
        let key = file_role_key(fk, file_id, Role::Payload);
        Message::from_header(&key, &aad(suite, file_id, author), header, MAX_SEGMENTS).map(Self)
    }

    /// The 74-byte FLOE header, which the manifest carries.
    pub fn header(&self) -> &[u8; HEADER_LEN] {
        self.0.header()
    }

    /// Seals `plain` as segment `index` into `out`, which is exactly 32 bytes longer.
    pub fn seal(
        &self,
        index: u64,
        position: Position,
        plain: &[u8],
        out: &mut [u8],
    ) -> Result<SegmentRecord, SealError> {
        let iv = random::bytes();
        self.0.seal(index, position, plain, out, &iv)?;
        Ok(SegmentRecord { iv, leaf: merkle::leaf(out) })
    }

    /// Seals in place: `segment` is as long as the sealed segment and holds the plaintext from
    /// offset [`PLAIN_AT`], with 16 bytes of room behind it.
    pub fn seal_in_place(
        &self,
        index: u64,
        position: Position,
        segment: &mut [u8],
    ) -> Result<SegmentRecord, SealError> {
        let iv = random::bytes();
        self.0.seal_in_place(index, position, segment, &iv)?;
        Ok(SegmentRecord { iv, leaf: merkle::leaf(segment) })
    }

    /// Seals consecutive segments in place on all cores, and hashes as many together as the processor can.
    ///
    /// Each of `segments` is as for [`PayloadSealer::seal_in_place`]. `first` is the index of the first, `last` the
    /// position of the last one; all others are inner. Gives a record for each segment, in order.
    pub fn seal_batch(
        &self,
        first: u64,
        last: Position,
        segments: &mut [&mut [u8]],
    ) -> Result<Vec<SegmentRecord>, SealError> {
        let runs = Runs::new(first, last, segments.len());
        let sealed = segments.par_chunks_mut(runs.at_once).enumerate().map(|(run, segments)| {
            let (first, last) = runs.nth(run).ok_or(SealError::SegmentShape)?;
            self.seal_run(first, last, segments)
        });
        sealed.collect::<Result<Vec<Vec<_>>, _>>().map(|records| records.concat())
    }

    /// [`PayloadSealer::seal_batch`] on this thread alone; best with [`merkle::leaves_at_once`] segments.
    pub fn seal_run(
        &self,
        first: u64,
        last: Position,
        segments: &mut [&mut [u8]],
    ) -> Result<Vec<SegmentRecord>, SealError> {
        let count = segments.len();
        let mut ivs = Vec::with_capacity(count);
        for (n, segment) in segments.iter_mut().enumerate() {
            let (index, position) = nth(first, last, count, n).ok_or(SealError::SegmentShape)?;
            let iv = random::bytes();
            self.0.seal_in_place(index, position, segment, &iv)?;
            ivs.push(iv);
        }
        let records = ivs.into_iter().zip(leaves_of(segments));
        Ok(records.map(|(iv, leaf)| SegmentRecord { iv, leaf }).collect())
    }

    /// Makes a recorded segment again from the same plaintext: the only function that takes an IV.
    ///
    /// `segment` is as for [`PayloadSealer::seal_in_place`]. Unless the result has the recorded
    /// leaf, `segment` is zeroed and nothing is released: two plaintexts under one IV would
    /// betray both.
    pub fn reseal_in_place(
        &self,
        index: u64,
        position: Position,
        segment: &mut [u8],
        record: &SegmentRecord,
    ) -> Result<(), ResealError> {
        let sealed = self.0.seal_in_place(index, position, segment, &record.iv);
        if sealed.is_err() {
            segment.zeroize();
            return Err(ResealError::SegmentShape);
        }
        if !bool::from(same_leaf(&merkle::leaf(segment), &record.leaf)) {
            segment.zeroize();
            return Err(ResealError::SourceChanged);
        }
        Ok(())
    }

    /// [`PayloadSealer::reseal_in_place`] for a plaintext in a buffer of its own.
    pub fn reseal(
        &self,
        index: u64,
        position: Position,
        plain: &[u8],
        record: &SegmentRecord,
        out: &mut [u8],
    ) -> Result<(), ResealError> {
        if out.len() != plain.len() + SEGMENT_OVERHEAD {
            out.zeroize();
            return Err(ResealError::SegmentShape);
        }
        out[PLAIN_AT..PLAIN_AT + plain.len()].copy_from_slice(plain);
        self.reseal_in_place(index, position, out, record)
    }

    /// [`PayloadSealer::reseal_in_place`] for consecutive segments on all cores; `records` has one
    /// for each. If any differs, all of them are zeroed.
    pub fn reseal_batch(
        &self,
        first: u64,
        last: Position,
        segments: &mut [&mut [u8]],
        records: &[SegmentRecord],
    ) -> Result<(), ResealError> {
        let runs = Runs::new(first, last, segments.len());
        let result = if records.len() == segments.len() {
            let each = segments.par_chunks_mut(runs.at_once).zip(records.par_chunks(runs.at_once));
            each.enumerate().try_for_each(|(run, (segments, records))| {
                let (first, last) = runs.nth(run).ok_or(ResealError::SegmentShape)?;
                self.reseal_run(first, last, segments, records)
            })
        } else {
            Err(ResealError::SegmentShape)
        };
        if result.is_err() {
            segments.iter_mut().for_each(|segment| segment.zeroize());
        }
        result
    }

    /// Seals with the recorded IVs; the caller erases everything unless every leaf is the recorded one.
    fn reseal_run(
        &self,
        first: u64,
        last: Position,
        segments: &mut [&mut [u8]],
        records: &[SegmentRecord],
    ) -> Result<(), ResealError> {
        let count = segments.len();
        for (n, (segment, record)) in segments.iter_mut().zip(records).enumerate() {
            let (index, position) = nth(first, last, count, n).ok_or(ResealError::SegmentShape)?;
            let sealed = self.0.seal_in_place(index, position, segment, &record.iv);
            sealed.map_err(|_| ResealError::SegmentShape)?;
        }
        let leaves = leaves_of(segments);
        let same = leaves.iter().zip(records).map(|(leaf, record)| same_leaf(leaf, &record.leaf));
        let all_same = same.fold(Choice::from(1), |all, same| all & same);
        if all_same.into() { Ok(()) } else { Err(ResealError::SourceChanged) }
    }
}

/// Opens the segments of one payload. Shared between threads by reference.
///
/// A segment is authentic only if its GCM tag *and* its leaf are: the caller proves leaves under
/// the signed root, or gives [`PayloadOpener::open_batch`] leaves that are proven.
pub struct PayloadOpener(Message);

impl PayloadOpener {
    /// Checks the header's tag and makes the payload ready to open.
    pub fn new(
        fk: &FileKey,
        suite: Suite,
        file_id: FileId,
        author: RootId,
        header: &[u8; HEADER_LEN],
    ) -> Result<Self, OpenError> {
        let key = file_role_key(fk, file_id, Role::Payload);
        Message::from_header(&key, &aad(suite, file_id, author), header, MAX_SEGMENTS).map(Self)
    }

    /// Opens segment `index` into `out`, which is exactly 32 bytes shorter.
    pub fn open(
        &self,
        index: u64,
        position: Position,
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<(), OpenError> {
        self.0.open(index, position, sealed, out)
    }

    /// Opens segment `index` in place and gives the plaintext, which stands at offset [`PLAIN_AT`].
    pub fn open_in_place<'s>(
        &self,
        index: u64,
        position: Position,
        segment: &'s mut [u8],
    ) -> Result<&'s mut [u8], OpenError> {
        self.0.open_in_place(index, position, segment)
    }

    /// Opens consecutive segments in place on all cores, and hashes as many together as the processor can.
    ///
    /// Each of `segments` is a whole sealed segment; afterwards its plaintext stands at offset [`PLAIN_AT`] (see
    /// [`plain_of`]). `first` is the index of the first, `last` the position of the last one. Gives the leaves in
    /// order.
    ///
    /// With `proven`, leaves already proven under the signed root, a segment with another leaf is
    /// refused before it is opened. Without, the caller must compare the root over all leaves
    /// before anything is released. On failure all segments are zeroed.
    pub fn open_batch(
        &self,
        first: u64,
        last: Position,
        segments: &mut [&mut [u8]],
        proven: Option<&[Node]>,
    ) -> Result<Vec<Node>, OpenError> {
        let runs = Runs::new(first, last, segments.len());
        let opened = if proven.is_some_and(|leaves| leaves.len() != segments.len()) {
            Err(OpenError::NotAuthentic)
        } else {
            let each = segments.par_chunks_mut(runs.at_once).enumerate().map(|(run, segments)| {
                let (first, last) = runs.nth(run).ok_or(OpenError::NotAuthentic)?;
                let from = run * runs.at_once;
                let proven = proven.map(|leaves| &leaves[from..from + segments.len()]);
                self.open_run(first, last, segments, proven)
            });
            each.collect::<Result<Vec<Vec<_>>, _>>().map(|leaves| leaves.concat())
        };
        if opened.is_err() {
            segments.iter_mut().for_each(|segment| segment.zeroize());
        }
        opened
    }

    /// [`PayloadOpener::open_batch`] on this thread alone; best with [`merkle::leaves_at_once`] segments.
    pub fn open_run(
        &self,
        first: u64,
        last: Position,
        segments: &mut [&mut [u8]],
        proven: Option<&[Node]>,
    ) -> Result<Vec<Node>, OpenError> {
        let leaves = leaves_of(segments);
        let mut opened = match proven {
            Some(proven) if proven != leaves => Err(OpenError::NotAuthentic),
            _ => Ok(leaves),
        };
        let count = segments.len();
        for (n, segment) in segments.iter_mut().enumerate() {
            if opened.is_err() {
                break;
            }
            let place = nth(first, last, count, n).ok_or(OpenError::NotAuthentic);
            let done = place.and_then(|(index, at)| self.0.open_in_place(index, at, segment).map(drop));
            opened = done.and(opened);
        }
        if opened.is_err() {
            segments.iter_mut().for_each(|segment| segment.zeroize());
        }
        opened
    }
}

/// The whole segments of 2^18 bytes, and the last, shorter one, that stand one after the other in `part`.
pub fn segments_of(part: &mut [u8]) -> Vec<&mut [u8]> {
    part.chunks_mut(SEGMENT_LEN).collect()
}

/// The plaintexts in a part that [`PayloadOpener::open_batch`] opened, in order.
pub fn plain_of(part: &[u8]) -> impl Iterator<Item = &[u8]> {
    part.chunks(SEGMENT_LEN).map(|segment| &segment[PLAIN_AT..segment.len() - 16])
}

/// The places for plaintext in a part that [`PayloadSealer::seal_batch`] will seal, in order.
///
/// # Panics
/// If the last segment of `part` is shorter than 32 bytes.
pub fn plain_of_mut(part: &mut [u8]) -> impl Iterator<Item = &mut [u8]> {
    part.chunks_mut(SEGMENT_LEN).map(|segment| {
        let end = segment.len() - 16;
        &mut segment[PLAIN_AT..end]
    })
}

impl fmt::Debug for PayloadSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadSealer[redacted]")
    }
}

impl fmt::Debug for PayloadOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadOpener[redacted]")
    }
}

fn aad(suite: Suite, file_id: FileId, author: RootId) -> Vec<u8> {
    [b"waxwing/v1/payload\0".as_slice(), &suite.to_bytes(), file_id.as_bytes(), author.as_bytes()].concat()
}

/// How a batch is dealt out: in runs of as many segments as are hashed together.
struct Runs {
    at_once: usize,
    first: u64,
    last: Position,
    count: usize,
}

impl Runs {
    fn new(first: u64, last: Position, count: usize) -> Self {
        Self { at_once: merkle::leaves_at_once(), first, last, count }
    }

    /// Index of the first segment of a run, and the position of its last.
    fn nth(&self, run: usize) -> Option<(u64, Position)> {
        let from = run * self.at_once;
        let is_last = from + self.at_once >= self.count;
        let first = self.first.checked_add(u64::try_from(from).ok()?)?;
        Some((first, if is_last { self.last } else { Position::Inner }))
    }
}

fn leaves_of(segments: &[&mut [u8]]) -> Vec<Node> {
    let each: Vec<&[u8]> = segments.iter().map(|segment| &**segment).collect();
    merkle::leaves(&each)
}

fn same_leaf(one: &Node, other: &Node) -> Choice {
    one.as_bytes().ct_eq(other.as_bytes())
}

/// Index and position of the `n`th of `count` segments from `first`.
fn nth(first: u64, last: Position, count: usize, n: usize) -> Option<(u64, Position)> {
    let index = first.checked_add(u64::try_from(n).ok()?)?;
    Some((index, if n + 1 == count { last } else { Position::Inner }))
}
