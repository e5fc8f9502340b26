//! The thread that reads, seals and journals, part after part, into pooled buffers.

use super::Compress;
use super::journal::{Header, Journal};
use super::plan::{Counting, FromStart, SAMPLE, SourceFile, is_promising, read_full};
use crate::pool::{Pool, SegmentBuf};
use crate::{Error, Result};
use bytes::Bytes;
use envelope::merkle::Node;
use envelope::segment::{MAX_PARTS, SEGMENT_OVERHEAD, SEGMENT_PLAIN};
use envelope::{BodyShape, PartShape};
use format::compress::Compressor;
use format::pad::Padded;
use format::payload::{PLAIN_AT, ResealError};
use format::{PayloadSealer, Position, SegmentRecord};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Segment buffers of one transfer, 256 KiB each: two parts of the default length and a half.
pub(super) const BUFFERS: usize = 160;
/// Segments that are read and sealed at once.
const BATCH: u64 = 16;

/// A sealed part, recorded durably, that may be sent.
pub(super) struct ReadyPart {
    pub(super) n: u32,
    pub(super) node: Node,
    pub(super) len: u64,
    pub(super) content: Content,
}

/// Where the bytes of a part are.
pub(super) enum Content {
    /// Here.
    Buffers(Vec<Bytes>),
    /// Too many to hold: sealed again with the recorded IVs whenever they are sent.
    Again(Again),
}

/// A part that is sealed again while it is sent.
#[derive(Clone)]
pub(super) struct Again {
    feed: FileFeed,
    sealer: Arc<PayloadSealer>,
    records: Arc<Vec<SegmentRecord>>,
    segments: Range<u64>,
}

/// What is known when everything was read.
pub(super) struct Produced {
    pub(super) journal: Option<Journal>,
    /// Nodes of all parts in order, those of earlier tries included.
    pub(super) nodes: Vec<Node>,
    pub(super) body: BodyShape,
    pub(super) original: u64,
    pub(super) stored: u64,
    pub(super) compressed: bool,
}

/// Why producing ended early; the journal comes back for the one who decides about it.
pub(super) type Failed = (Error, Option<Journal>);

/// A producer that has not started yet.
pub(super) struct Producer {
    pub(super) pool: Pool,
    /// Whether it can be waited for: reading a pipe may take forever.
    pub(super) ends_promptly: bool,
    work: Box<dyn FnOnce(&Pool, &mpsc::Sender<ReadyPart>) -> Result<Produced, Failed> + Send>,
}

impl Producer {
    pub(super) fn file(
        feed: FileFeed,
        sealer: Arc<PayloadSealer>,
        journal: Journal,
        todo: Vec<u32>,
        buffers: usize,
    ) -> Self {
        let work = move |pool: &Pool, out: &mpsc::Sender<ReadyPart>| {
            let mut journal = journal;
            match produce_file(feed, &sealer, &mut journal, &todo, pool, out) {
                Ok(produced) => Ok(Produced { journal: Some(journal), ..produced }),
                Err(error) => Err((error, Some(journal))),
            }
        };
        Self { pool: Pool::new(buffers), ends_promptly: true, work: Box::new(work) }
    }

    pub(super) fn stream(feed: StreamFeed, sealer: Arc<PayloadSealer>, buffers: usize) -> Self {
        let work = move |pool: &Pool, out: &mpsc::Sender<ReadyPart>| {
            feed.produce(&sealer, pool, out).map_err(|error| (error, None))
        };
        Self { pool: Pool::new(buffers), ends_promptly: false, work: Box::new(work) }
    }

    /// Starts the thread: parts come out of the first channel, the end out of the second.
    pub(super) fn start(
        self,
    ) -> Result<(mpsc::Receiver<ReadyPart>, oneshot::Receiver<Result<Produced, Failed>>)> {
        let (out, parts) = mpsc::channel(1);
        let (done, end) = oneshot::channel();
        let work = move || {
            let outcome = (self.work)(&self.pool, &out);
            // The parts' channel closes only after the outcome is there. Nobody listens when the verb was dropped.
            drop(done.send(outcome));
            drop(out);
        };
        std::thread::Builder::new()
            .name("wax-seal".into())
            .spawn(work)
            .map_err(|_| Error::Internal("no thread could be started"))?;
        Ok((parts, end))
    }
}

/// Reads the stored bytes of a file, segment by segment.
#[derive(Clone)]
pub(super) struct FileFeed {
    file: Arc<File>,
    path: PathBuf,
    original: u64,
    stored: u64,
    compressed: bool,
    body: BodyShape,
    cut: PartShape,
}

impl FileFeed {
    pub(super) fn new(source: &SourceFile, header: &Header, body: BodyShape, cut: PartShape) -> Result<Self> {
        if header.stored > body.plain_len() {
            return Err(Error::Internal("a journal contradicts itself"));
        }
        Ok(Self {
            file: Arc::clone(&source.file),
            path: source.identity.path.clone(),
            original: source.identity.size,
            stored: header.stored,
            compressed: header.compressed,
            body,
            cut,
        })
    }

    /// Gives the plaintext places of segment `index` to `read`, and zeros what lies behind the stored bytes.
    fn fill_with(
        &self,
        index: u64,
        segment: &mut [u8],
        read: impl FnOnce(&mut [u8], u64) -> io::Result<()>,
    ) -> Result<()> {
        let at = index * SEGMENT_PLAIN as u64;
        let end = segment.len() - (SEGMENT_OVERHEAD - PLAIN_AT);
        let plain = &mut segment[PLAIN_AT..end];
        let real = self.stored.saturating_sub(at).min(plain.len() as u64);
        let (real, zeros) = plain.split_at_mut(usize::try_from(real).expect("at most a segment"));
        zeros.fill(0);
        if real.is_empty() {
            return Ok(());
        }
        read(real, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::SourceChanged(self.path.clone()),
            _ => Error::io("read", &self.path)(error),
        })
    }

    fn fill(&self, index: u64, segment: &mut [u8]) -> Result<()> {
        self.fill_with(index, segment, |out, at| self.file.read_exact_at(out, at))
    }

    fn position(&self, index: u64) -> Result<Position> {
        Position::of(self.body, index).ok_or(Error::Internal("a segment beyond the body"))
    }

    /// An empty buffer for every segment of the range, of the segment's length.
    fn buffers(&self, range: Range<u64>, pool: &Pool) -> Result<Vec<SegmentBuf>> {
        range
            .map(|index| {
                let mut buffer = pool.take_blocking().ok_or(Error::Interrupted)?;
                buffer.set_len(
                    self.body.segment_len(index).ok_or(Error::Internal("a segment beyond the body"))?,
                );
                Ok(buffer)
            })
            .collect()
    }
}

/// A compressed file, which can only be read forwards.
struct Forwards {
    source: Compressor<FromStart>,
    at: u64,
}

impl Forwards {
    fn read(&mut self, out: &mut [u8], at: u64) -> io::Result<()> {
        let skip = at
            .checked_sub(self.at)
            .ok_or_else(|| io::Error::other("a compressed source is read forwards"))?;
        let skipped = io::copy(&mut (&mut self.source).take(skip), &mut io::sink())?;
        if skipped < skip {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.source.read_exact(out)?;
        self.at = at + out.len() as u64;
        Ok(())
    }
}

fn produce_file(
    feed: FileFeed,
    sealer: &Arc<PayloadSealer>,
    journal: &mut Journal,
    todo: &[u32],
    pool: &Pool,
    out: &mpsc::Sender<ReadyPart>,
) -> Result<Produced> {
    let held = feed.cut.part_bytes() <= PartShape::DEFAULT.part_bytes();
    let mut forwards = feed
        .compressed
        .then(|| Forwards { source: Compressor::new(FromStart::new(Arc::clone(&feed.file))), at: 0 });
    for &n in todo {
        let segments = feed.cut.segments_of(feed.body, n);
        let recorded = journal.records(n)?;
        let mut sealed = Vec::new();
        let mut records = Vec::new();
        if recorded.is_none() || held {
            let mut at = segments.start;
            while at < segments.end {
                let batch = at..segments.end.min(at + BATCH);
                let known = recorded.as_deref().map(|records| slice_of(records, &segments, &batch));
                let mut buffers = feed.buffers(batch.clone(), pool)?;
                if let Some(forwards) = &mut forwards {
                    for (index, buffer) in batch.clone().zip(&mut buffers) {
                        feed.fill_with(index, buffer.segment_mut(), |out, at| forwards.read(out, at))?;
                    }
                }
                let read = forwards.is_none();
                records.extend(seal(&feed, sealer, batch.start, &mut buffers, known, read)?);
                if held {
                    sealed.extend(buffers.into_iter().map(Bytes::from_owner));
                }
                at = batch.end;
            }
        }
        let node = match (&recorded, journal.node(n)) {
            (Some(_), Some(node)) => node,
            _ => journal.record_part(n, &records)?,
        };
        let content = if held {
            Content::Buffers(sealed)
        } else {
            let (feed, sealer) = (feed.clone(), Arc::clone(sealer));
            Content::Again(Again { feed, sealer, records: Arc::new(recorded.unwrap_or(records)), segments })
        };
        let len = feed.cut.part_len(feed.body, n).ok_or(Error::Internal("a part beyond the body"))?;
        out.blocking_send(ReadyPart { n, node, len, content }).map_err(|_| Error::Interrupted)?;
    }
    let nodes: Option<Vec<Node>> = (0..feed.cut.parts(feed.body)).map(|n| journal.node(n)).collect();
    let nodes = nodes.ok_or(Error::Internal("a part was never sealed"))?;
    let FileFeed { original, stored, compressed, body, .. } = feed;
    Ok(Produced { journal: None, nodes, body, original, stored, compressed })
}

/// The records of a batch within those of its part.
fn slice_of<'r>(records: &'r [SegmentRecord], part: &Range<u64>, batch: &Range<u64>) -> &'r [SegmentRecord] {
    let at = |index: u64| usize::try_from(index - part.start).expect("within a part");
    records.get(at(batch.start)..at(batch.end)).unwrap_or_default()
}

/// Reads (where that can be done from anywhere) and seals a batch on all cores: anew, or again as it was recorded.
fn seal(
    feed: &FileFeed,
    sealer: &PayloadSealer,
    first: u64,
    buffers: &mut [SegmentBuf],
    known: Option<&[SegmentRecord]>,
    read: bool,
) -> Result<Vec<SegmentRecord>> {
    buffers
        .par_iter_mut()
        .enumerate()
        .map(|(n, buffer)| {
            let index = first + n as u64;
            let segment = buffer.segment_mut();
            if read {
                feed.fill(index, segment)?;
            }
            let position = feed.position(index)?;
            let Some(known) = known else {
                let sealed = sealer.seal_in_place(index, position, segment);
                return sealed.map_err(|_| Error::Internal("a segment does not fit its place"));
            };
            let record = known.get(n).ok_or(Error::Internal("a journal record is too short"))?;
            match sealer.reseal_in_place(index, position, segment, record) {
                Ok(()) => Ok(*record),
                Err(ResealError::SourceChanged) => Err(Error::SourceChanged(feed.path.clone())),
                Err(_) => Err(Error::Internal("a segment does not fit its place")),
            }
        })
        .collect()
}

impl Again {
    /// The part's segments in order, sealed again on a thread of its own. An error ends the stream and stays in
    /// the second place.
    pub(super) fn stream(&self, pool: &Pool) -> (mpsc::Receiver<Bytes>, oneshot::Receiver<Error>) {
        let (out, segments) = mpsc::channel(16);
        let (fault, faults) = oneshot::channel();
        let (part, pool) = (self.clone(), pool.clone());
        std::thread::spawn(move || {
            if let Err(error) = part.run(&pool, &out) {
                drop(fault.send(error));
            }
        });
        (segments, faults)
    }

    fn run(&self, pool: &Pool, out: &mpsc::Sender<Bytes>) -> Result<()> {
        let mut at = self.segments.start;
        while at < self.segments.end {
            let batch = at..self.segments.end.min(at + BATCH / 2);
            let mut buffers = self.feed.buffers(batch.clone(), pool)?;
            let known = slice_of(&self.records, &self.segments, &batch);
            seal(&self.feed, &self.sealer, batch.start, &mut buffers, Some(known), true)?;
            for buffer in buffers {
                out.blocking_send(Bytes::from_owner(buffer)).map_err(|_| Error::Interrupted)?;
            }
            at = batch.end;
        }
        Ok(())
    }
}

/// A source that is read once, of unknown length.
pub(super) struct StreamFeed {
    reader: Box<dyn Read + Send>,
    compress: Compress,
    padded: bool,
    cut: PartShape,
}

impl StreamFeed {
    pub(super) fn new(
        reader: Box<dyn Read + Send>,
        compress: Compress,
        padded: bool,
        cut: PartShape,
    ) -> Self {
        Self { reader, compress, padded, cut }
    }

    fn produce(self, sealer: &PayloadSealer, pool: &Pool, out: &mpsc::Sender<ReadyPart>) -> Result<Produced> {
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

        let mut nodes = Vec::new();
        let mut total = 0_u64;
        // One segment is held back: only when nothing follows is it known to be the last.
        let mut held = Some(next_segment(&mut source, pool)?);
        while let Some(first) = held.take() {
            if nodes.len() >= MAX_PARTS as usize {
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
            let n = u32::try_from(nodes.len()).map_err(|_| Error::SourceTooLong)?;
            let first = u64::from(n) * self.cut.segments_per_part();
            let records = seal_stream_part(sealer, first, is_last, &mut part)?;
            let node = super::journal::node_of(&records).ok_or(Error::Internal("a part without segments"))?;
            let len = part.iter().map(|segment| segment.len() as u64).sum();
            total += len;
            nodes.push(node);
            let content = Content::Buffers(part.into_iter().map(Bytes::from_owner).collect());
            out.blocking_send(ReadyPart { n, node, len, content }).map_err(|_| Error::Interrupted)?;
        }
        let body = BodyShape::from_body_len(total).map_err(|_| Error::SourceTooLong)?;
        let (original, stored) = (original.load(Ordering::Relaxed), stored.load(Ordering::Relaxed));
        Ok(Produced { journal: None, nodes, body, original, stored, compressed })
    }
}

fn seal_stream_part(
    sealer: &PayloadSealer,
    first: u64,
    is_last: bool,
    part: &mut [SegmentBuf],
) -> Result<Vec<SegmentRecord>> {
    let count = part.len();
    part.par_iter_mut()
        .enumerate()
        .map(|(n, segment)| {
            let position = if is_last && n + 1 == count { Position::Final } else { Position::Inner };
            let sealed = sealer.seal_in_place(first + n as u64, position, segment.segment_mut());
            sealed.map_err(|_| Error::Internal("a segment does not fit its place"))
        })
        .collect()
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
    use envelope::merkle;
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
