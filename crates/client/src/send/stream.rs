//! A source that is read once, of unknown length: cut, compressed and padded as it comes.

use super::Compress;
use super::plan::{Counting, SAMPLE, is_promising, read_full};
use super::produce::{Content, Produced, ReadyPart};
use crate::pool::{Pool, SegmentBuf};
use crate::{Error, Result};
use bytes::Bytes;
use envelope::segment::{MAX_PARTS, SEGMENT_OVERHEAD, SEGMENT_PLAIN};
use envelope::{BodyShape, PartShape};
use format::compress::Compressor;
use format::pad::Padded;
use format::payload::PLAIN_AT;
use format::{PayloadSealer, Position, SegmentRecord};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// A source that is read once, of unknown length.
pub(crate) struct StreamFeed {
    reader: Box<dyn Read + Send>,
    compress: Compress,
    padded: bool,
    cut: PartShape,
}

impl StreamFeed {
    pub(crate) fn new(
        reader: Box<dyn Read + Send>,
        compress: Compress,
        padded: bool,
        cut: PartShape,
    ) -> Self {
        Self { reader, compress, padded, cut }
    }

    pub(super) fn produce(
        self,
        sealer: &PayloadSealer,
        pool: &Pool,
        out: &mpsc::Sender<ReadyPart>,
    ) -> Result<Produced> {
        let mut nodes = Vec::new();
        let totals = self.cut_and_seal(sealer, pool, |records, part| {
            let n = u32::try_from(nodes.len()).map_err(|_| Error::SourceTooLong)?;
            let node = super::journal::node_of(records).ok_or(Error::Internal("a part without segments"))?;
            let len = part.iter().map(|segment| segment.len() as u64).sum();
            nodes.push(node);
            let content = Content::Buffers(part.into_iter().map(Bytes::from_owner).collect());
            out.blocking_send(ReadyPart { n, node, len, content }).map_err(|_| Error::Interrupted)
        })?;
        let Totals { body, original, stored, compressed } = totals;
        Ok(Produced { journal: None, nodes, body, original, stored, compressed })
    }

    /// Reads to the end and gives every sealed part, with the records of its segments, in order to `each`.
    pub(crate) fn cut_and_seal(
        self,
        sealer: &PayloadSealer,
        pool: &Pool,
        mut each: impl FnMut(&[SegmentRecord], Vec<SegmentBuf>) -> Result<()>,
    ) -> Result<Totals> {
        let failed = |error| Error::io("read", "the input")(error);
        let (original, stored) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut reader = Counting { inner: self.reader, count: Arc::clone(&original) };
        let mut sample = vec![0; if self.compress == Compress::Auto { SAMPLE } else { 0 }];
        let sampled = read_full(&mut reader, &mut sample).map_err(failed)?;
        sample.truncate(sampled);
        let compressed = is_promising(&sample).map_err(failed)?;
        let whole = io::Cursor::new(sample).chain(reader);
        let stage: Box<dyn Read> =
            if compressed { Box::new(Compressor::new(whole)) } else { Box::new(whole) };
        let counted = Counting { inner: stage, count: Arc::clone(&stored) };
        let mut source: Box<dyn Read> =
            if self.padded { Box::new(Padded::new(counted)) } else { Box::new(counted) };

        let (mut parts, mut total) = (0_u64, 0_u64);
        // One segment is held back: only when nothing follows is it known to be the last.
        let mut held = Some(next_segment(&mut source, pool)?);
        while let Some(first) = held.take() {
            if parts >= u64::from(MAX_PARTS) {
                return Err(Error::SourceTooLong);
            }
            let mut part = vec![first];
            let mut is_last = false;
            loop {
                match Some(next_segment(&mut source, pool)?).filter(|next| next.len() > SEGMENT_OVERHEAD) {
                    None => is_last = true,
                    Some(next) if (part.len() as u64) < self.cut.segments_per_part() => {
                        part.push(next);
                        continue;
                    }
                    Some(next) => held = Some(next),
                }
                break;
            }
            let first = parts * self.cut.segments_per_part();
            let records = seal_stream_part(sealer, first, is_last, &mut part)?;
            total += part.iter().map(|segment| segment.len() as u64).sum::<u64>();
            parts += 1;
            each(&records, part)?;
        }
        let body = BodyShape::from_body_len(total).map_err(|_| Error::SourceTooLong)?;
        let (original, stored) = (original.load(Ordering::Relaxed), stored.load(Ordering::Relaxed));
        Ok(Totals { body, original, stored, compressed })
    }
}

/// What is known of a stream once it has ended.
pub(crate) struct Totals {
    pub(crate) body: BodyShape,
    pub(crate) original: u64,
    pub(crate) stored: u64,
    pub(crate) compressed: bool,
}

fn seal_stream_part(
    sealer: &PayloadSealer,
    first: u64,
    is_last: bool,
    part: &mut [SegmentBuf],
) -> Result<Vec<SegmentRecord>> {
    let last = if is_last { Position::Final } else { Position::Inner };
    let mut segments: Vec<&mut [u8]> = part.iter_mut().map(SegmentBuf::segment_mut).collect();
    sealer
        .seal_batch(first, last, &mut segments)
        .map_err(|_| Error::Internal("a segment does not fit its place"))
}

/// Reads the plaintext of one segment; one without plaintext stands for the end.
fn next_segment(source: &mut impl Read, pool: &Pool) -> Result<SegmentBuf> {
    let mut buffer = pool.take_blocking().ok_or(Error::Interrupted)?;
    let room = &mut buffer.room()[PLAIN_AT..PLAIN_AT + SEGMENT_PLAIN];
    let filled = read_full(source, room).map_err(Error::io("read", "the input"))?;
    buffer.set_len(filled + SEGMENT_OVERHEAD);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use envelope::merkle::{self, Node};
    use envelope::{FileId, RootId, Suite};
    use format::{FileKey, PayloadOpener};

    const ID: FileId = FileId::from_bytes([3; 16]);
    const ROOT: RootId = RootId::from_bytes([4; 32]);

    /// What a stream of these bytes becomes: parts of 1 MiB, opened again, with what was said about them.
    fn through(plain: &[u8], padded: bool, compress: Compress) -> (Vec<u8>, Produced) {
        let fk = FileKey::generate();
        let sealer = PayloadSealer::generate(&fk, Suite::Signed, ID, ROOT);
        let reader = Box::new(io::Cursor::new(plain.to_vec()));
        let feed = StreamFeed::new(reader, compress, padded, PartShape::SMALLEST);
        let (out, mut parts) = mpsc::channel(1);
        let (produced, header) = std::thread::scope(|scope| {
            let pool = Pool::new(16);
            let thread = scope.spawn(move || {
                let produced = feed.produce(&sealer, &pool, &out).unwrap();
                drop(out);
                (produced, *sealer.header())
            });
            let mut bodies = Vec::new();
            while let Some(part) = parts.blocking_recv() {
                let Content::Buffers(segments) = part.content else { panic!("a stream is held") };
                assert_eq!(segments.iter().map(|segment| segment.len() as u64).sum::<u64>(), part.len);
                bodies.extend(segments.iter().map(|segment| segment.to_vec()));
            }
            let (produced, header) = thread.join().unwrap();
            ((produced, bodies), header)
        });
        let (produced, bodies) = produced;
        let opener = PayloadOpener::new(&fk, Suite::Signed, ID, ROOT, &header).unwrap();
        assert_eq!(produced.body.segments(), bodies.len() as u64);
        let leaves: Vec<Node> = bodies.iter().map(|segment| merkle::leaf(segment)).collect();
        assert_eq!(merkle::root(&leaves), merkle::root(&produced.nodes));
        let mut opened = Vec::new();
        for (index, mut segment) in bodies.into_iter().enumerate() {
            let index = index as u64;
            assert_eq!(produced.body.segment_len(index), Some(segment.len()));
            let position = Position::of(produced.body, index).unwrap();
            opened.extend_from_slice(opener.open_in_place(index, position, &mut segment).unwrap());
        }
        (opened, produced)
    }

    #[test]
    fn a_stream_of_every_edge_length_becomes_a_canonical_body() {
        for len in [
            0,
            1,
            SEGMENT_PLAIN - 1,
            SEGMENT_PLAIN,
            SEGMENT_PLAIN + 1,
            4 * SEGMENT_PLAIN,
            9 * SEGMENT_PLAIN + 7,
        ] {
            let plain: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let (opened, produced) = through(&plain, false, Compress::Never);
            assert_eq!(opened, plain, "{len}");
            assert_eq!((produced.original, produced.stored), (len as u64, len as u64));
        }
    }

    #[test]
    fn a_padded_stream_ends_in_zeros() {
        let (opened, produced) = through(b"abc", true, Compress::Never);
        assert_eq!(opened.len() as u64, format::pad::padme(3));
        assert!(opened.starts_with(b"abc") && opened[3..].iter().all(|byte| *byte == 0));
        assert_eq!(produced.stored, 3);
    }

    #[test]
    fn a_stream_is_compressed_only_if_its_sample_promises_something() {
        let text = b"the same words again and again ".repeat(100_000);
        let (opened, produced) = through(&text, false, Compress::Auto);
        assert!(produced.compressed && produced.stored < produced.original);
        assert_eq!((produced.original, produced.stored), (text.len() as u64, opened.len() as u64));
        let mut noise = vec![0; 2 << 20];
        aws_lc_rs::rand::fill(&mut noise).unwrap();
        let (opened, produced) = through(&noise, false, Compress::Auto);
        assert!(!produced.compressed);
        assert_eq!(opened, noise);
    }
}
