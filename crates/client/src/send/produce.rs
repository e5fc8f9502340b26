//! The thread that reads, seals and journals, part after part, into pooled buffers.

use super::journal::{Header, Journal};
use super::plan::{FromStart, SourceFile};
use super::stream::StreamFeed;
use crate::pool::{Pool, SegmentBuf};
use crate::{Error, Result};
use bytes::Bytes;
use envelope::merkle::Node;
use envelope::segment::{SEGMENT_OVERHEAD, SEGMENT_PLAIN};
use envelope::{BodyShape, PartShape};
use format::compress::Compressor;
use format::payload::{PLAIN_AT, ResealError};
use format::{PayloadSealer, Position, SegmentRecord};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Segment buffers of one transfer, 256 KiB each: two parts of the default length and a half.
pub(super) const BUFFERS: usize = 160;
/// Segments that are read and sealed at once: two runs of leaves that are hashed together.
const BATCH: u64 = 32;

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
    pub(super) journal: Option<Box<Journal>>,
    /// Nodes of all parts in order, those of earlier tries included.
    pub(super) nodes: Vec<Node>,
    pub(super) body: BodyShape,
    pub(super) original: u64,
    pub(super) stored: u64,
    pub(super) compressed: bool,
}

/// Why producing ended early; the journal comes back for the one who decides about it.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) journal: Option<Box<Journal>>,
}

type Work = Box<dyn FnOnce(&Pool, &mpsc::Sender<ReadyPart>) -> Result<Produced, Failed> + Send>;

/// A producer that runs: parts come out of the first channel, the end out of the second.
pub(super) struct Started {
    pub(super) parts: mpsc::Receiver<ReadyPart>,
    pub(super) end: oneshot::Receiver<Result<Produced, Failed>>,
}

/// A producer that has not started yet.
pub(super) struct Producer {
    pub(super) pool: Pool,
    /// Whether it can be waited for: reading a pipe may take forever.
    pub(super) ends_promptly: bool,
    work: Work,
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
            let mut journal = Box::new(journal);
            match produce_file(&feed, &sealer, &mut journal, &todo, pool, out) {
                Ok(produced) => Ok(Produced { journal: Some(journal), ..produced }),
                Err(error) => Err(Failed { error, journal: Some(journal) }),
            }
        };
        Self { pool: Pool::new(buffers), ends_promptly: true, work: Box::new(work) }
    }

    pub(super) fn stream(feed: StreamFeed, sealer: Arc<PayloadSealer>, buffers: usize) -> Self {
        let work = move |pool: &Pool, out: &mpsc::Sender<ReadyPart>| {
            feed.produce(&sealer, pool, out).map_err(|error| Failed { error, journal: None })
        };
        Self { pool: Pool::new(buffers), ends_promptly: false, work: Box::new(work) }
    }

    /// Starts the thread.
    pub(super) fn start(self) -> Result<Started> {
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
        Ok(Started { parts, end })
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
    feed: &FileFeed,
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
                records.extend(seal(feed, sealer, batch.start, &mut buffers, known, read)?);
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
    let FileFeed { original, stored, compressed, body, .. } = *feed;
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
    if read {
        let each = buffers.par_iter_mut().enumerate();
        each.try_for_each(|(n, buffer)| feed.fill(first + n as u64, buffer.segment_mut()))?;
    }
    let last = feed.position(first + buffers.len() as u64 - 1)?;
    let mut segments: Vec<&mut [u8]> = buffers.iter_mut().map(SegmentBuf::segment_mut).collect();
    let misfit = || Error::Internal("a segment does not fit its place");
    let Some(known) = known else {
        return sealer.seal_batch(first, last, &mut segments).map_err(|_| misfit());
    };
    match sealer.reseal_batch(first, last, &mut segments, known) {
        Ok(()) => Ok(known.to_vec()),
        Err(ResealError::SourceChanged) => Err(Error::SourceChanged(feed.path.clone())),
        Err(_) => Err(misfit()),
    }
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
