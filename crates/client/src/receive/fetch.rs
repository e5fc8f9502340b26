//! Parts on their way in: fetched side by side, each segment proven, opened, and handed on in order.

use super::sink::Sink;
use super::tree::Tree;
use crate::client::Inner;
use crate::http::{Backoff, Server};
use crate::pool::{Pool, SegmentBuf};
use crate::{Cancel, Error, FileId, Note, Phase, Progress, RecipientId, Result};
use envelope::merkle::{self, Node};
use envelope::segment::SEGMENT_PLAIN;
use envelope::{BodyShape, PartShape};
use format::compress::{InflateError, Inflater};
use format::metadata::Compression;
use format::payload::PLAIN_AT;
use format::{Metadata, PayloadOpener, Position, pad};
use proto::{Code, TicketRequest, Token, paths};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

/// Segment buffers of each part on its way: 8 MiB.
const BUFFERS: usize = 32;
/// A ticket is renewed when it is this old, well before its ten minutes end.
const TICKET_AGE: Duration = Duration::from_secs(300);

/// All that fetching needs and nothing changes.
pub(super) struct Fetch {
    pub(super) inner: Arc<Inner>,
    pub(super) file_id: FileId,
    pub(super) body: BodyShape,
    pub(super) cut: PartShape,
    pub(super) opener: PayloadOpener,
    pub(super) tree: Tree,
    pub(super) tickets: Tickets,
    /// Bytes before padding.
    pub(super) stored: u64,
    /// Segments may be written at their places as they come; absent: they are wanted in order.
    pub(super) random_access: Option<(File, PathBuf)>,
}

/// Leave to fetch, renewed under one download id so that the download counts once.
#[derive(Debug)]
pub(super) struct Tickets {
    inner: Arc<Inner>,
    file_id: FileId,
    /// The bare key by whose grant one asks.
    recipient: Option<RecipientId>,
    download_id: String,
    current: Mutex<Option<(Token, Instant)>>,
}

impl Tickets {
    pub(super) fn new(
        inner: Arc<Inner>,
        file_id: FileId,
        recipient: Option<RecipientId>,
        download_id: String,
    ) -> Self {
        Self { inner, file_id, recipient, download_id, current: Mutex::default() }
    }

    async fn ticket(&self, rejected: Option<&Token>) -> Result<Token> {
        let mut current = self.current.lock().await;
        if let Some((token, since)) = current.as_ref()
            && since.elapsed() < TICKET_AGE
            && rejected != Some(token)
        {
            return Ok(token.clone());
        }
        let path = paths::fill(paths::TICKET, &[&self.file_id]);
        let body = TicketRequest { download_id: self.download_id.clone(), recipient: self.recipient };
        let ticket: proto::Ticket =
            self.inner.call(|server| server.request(Method::POST, &path).json(&body)).await?;
        *current = Some((ticket.ticket.clone(), Instant::now()));
        Ok(ticket.ticket)
    }

    /// A content request from byte `from` on. A refused ticket is renewed once.
    async fn content(&self, server: &Server, path: &str, from: u64) -> Result<Response> {
        let mut rejected = None;
        loop {
            let ticket = self.ticket(rejected.as_ref()).await?;
            let mut request =
                server.request(Method::GET, path).header(proto::headers::TICKET, ticket.expose_secret());
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            match server.send_long(request).await {
                Err(error)
                    if rejected.is_none()
                        && matches!(error.code(), Some(Code::Forbidden | Code::SignInNeeded)) =>
                {
                    rejected = Some(ticket);
                }
                outcome => return outcome,
            }
        }
    }

    /// A small reply whole. One that is too long cannot be what was signed.
    pub(super) async fn small(&self, path: &str, max: usize) -> Result<Vec<u8>> {
        let server = self.inner.server()?;
        let response = self.content(&server, path, 0).await?;
        let body = tokio::time::timeout(server.silence, server.body(response, max)).await;
        body.map_err(|_| server.timed_out())?.map_err(|error| match error {
            Error::NotAServer { .. } => Error::NotAuthentic,
            error => error,
        })
    }
}

/// One segment that was proven and opened.
enum Opened {
    /// Written at its place: so many bytes.
    Written(u64),
    /// In the buffer, at these places.
    Held(SegmentBuf, Range<usize>),
}

type Segments = mpsc::UnboundedReceiver<oneshot::Receiver<Result<Opened>>>;

/// Fetches everything into the sink; gives the path of the file, if it is one.
pub(super) async fn run(
    fetch: Fetch,
    sink: Sink,
    metadata: &Metadata,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Option<PathBuf>> {
    let stored = fetch.stored;
    let path = match &sink {
        Sink::File(file) => Some(file.path()),
        Sink::Writer(_) => None,
    };
    let (file, ordered) = match sink {
        Sink::File(file) if fetch.random_access.is_some() => (Some(file), None),
        Sink::File(file) => {
            let out: Box<dyn Write + Send> = Box::new(BufWriter::with_capacity(1 << 20, file.handle()?));
            (Some(file), Some(Ordered::start(out, path, metadata)?))
        }
        Sink::Writer(out) => (None, Some(Ordered::start(out, None, metadata)?)),
    };
    let done = drive(Arc::new(fetch), ordered.as_ref(), progress, cancel).await;
    let done = match (done, ordered) {
        // It stopped listening: its own error is the cause.
        (Err(Error::Output(_)), Some(ordered)) => {
            ordered.end(cancel).await?;
            return Err(Error::Internal("the writing thread ended early"));
        }
        (Ok(done), Some(ordered)) => ordered.end(cancel).await.map(|()| done)?,
        (done, _) => done?,
    };
    if done != stored {
        return Err(Error::NotAuthentic);
    }
    progress.progress(Phase::Finishing, 0, None);
    match file {
        Some(file) => tokio::task::block_in_place(|| file.finish(metadata.modified_ms)).map(Some),
        None => Ok(None),
    }
}

/// Keeps parts coming and passes their segments on in order. Gives the number of stored bytes.
async fn drive(
    fetch: Arc<Fetch>,
    ordered: Option<&Ordered>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<u64> {
    let moved = Arc::new(AtomicU64::new(0));
    let total = fetch.body.body_len();
    let (notes, mut noted) = mpsc::unbounded_channel();
    let lanes = fetch.inner.options.parts_at_once.clamp(1, 8) + 1;
    let mut free: Vec<Pool> = (0..lanes).map(|_| Pool::new(BUFFERS)).collect();
    let mut coming: VecDeque<(Pool, Segments)> = VecDeque::new();
    // Aborts what is still running when this future ends or is dropped.
    let mut tasks = JoinSet::new();
    let mut parts = 0..fetch.cut.parts(fetch.body);
    let mut stored = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        while let Some(pool) = free.pop() {
            let Some(n) = parts.next() else { break };
            let (out, segments) = mpsc::unbounded_channel();
            coming.push_back((pool.clone(), segments));
            let (fetch, moved, notes) = (Arc::clone(&fetch), Arc::clone(&moved), notes.clone());
            tasks.spawn(async move { fetch.part(n, &pool, &moved, &notes, &out).await });
        }
        let Some((_, front)) = coming.front_mut() else { break };
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Interrupted),
            Some(note) = noted.recv() => progress.note(&note),
            segment = front.recv() => match segment {
                Some(segment) => {
                    let lost = |_| Error::Internal("an opening thread ended");
                    let opened = tokio::select! {
                        () = cancel.cancelled() => return Err(Error::Interrupted),
                        opened = segment => opened.map_err(lost)??,
                    };
                    stored += match (opened, ordered) {
                        (Opened::Written(len), _) => len,
                        (Opened::Held(buffer, range), Some(ordered)) => {
                            let len = range.len() as u64;
                            tokio::select! {
                                () = cancel.cancelled() => return Err(Error::Interrupted),
                                sent = ordered.push(buffer, range) => sent?,
                            }
                            len
                        }
                        (Opened::Held(..), None) => return Err(Error::Internal("nobody takes a segment")),
                    };
                }
                // This part has come to its end, good or bad: its task says which.
                None => {
                    free.extend(coming.pop_front().map(|(pool, _)| pool));
                    while let Some(ended) = tasks.try_join_next() {
                        ended.map_err(|_| Error::Internal("a fetching task ended"))??;
                    }
                }
            },
            Some(ended) = tasks.join_next() => ended.map_err(|_| Error::Internal("a fetching task ended"))??,
            _ = tick.tick() => progress.progress(Phase::Downloading, moved.load(Ordering::Relaxed).min(total), Some(total)),
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|_| Error::Internal("a fetching task ended"))??;
    }
    progress.progress(Phase::Downloading, total, Some(total));
    Ok(stored)
}

impl Fetch {
    /// Fetches part `n`, going on where the connection broke, and gives every segment to be opened.
    async fn part(
        self: Arc<Self>,
        n: u32,
        pool: &Pool,
        moved: &AtomicU64,
        notes: &mpsc::UnboundedSender<Note>,
        out: &mpsc::UnboundedSender<oneshot::Receiver<Result<Opened>>>,
    ) -> Result<()> {
        let server = self.inner.server()?;
        let path = paths::fill(paths::CONTENT, &[&self.file_id, &n]);
        let len = self.cut.part_len(self.body, n).ok_or(Error::Internal("a part beyond the body"))?;
        let mut at = Place { index: self.cut.segments_of(self.body, n).start, done: 0, current: None };
        let mut backoff = Backoff::new(self.inner.options.retry_for);
        loop {
            let before = at.done;
            let outcome = self.go_on(&server, &path, len, &mut at, pool, moved, out).await;
            if at.done > before {
                backoff.moved();
            }
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let pause = backoff.next(error)?;
                    if pause > Duration::from_secs(1) {
                        // Nobody reads notes when the verb is over.
                        drop(notes.send(Note::Waiting { seconds: pause.as_secs() }));
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// One connection's worth of a part.
    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one part, split so that each piece is borrowed alone"
    )]
    async fn go_on(
        self: &Arc<Self>,
        server: &Server,
        path: &str,
        len: u64,
        at: &mut Place,
        pool: &Pool,
        moved: &AtomicU64,
        out: &mpsc::UnboundedSender<oneshot::Receiver<Result<Opened>>>,
    ) -> Result<()> {
        let (mut first, mut page) = self.tree.page_of(at.index, &self.tickets).await?;
        let mut response = self.tickets.content(server, path, at.done).await?;
        let starts_at = start_of(&response).ok_or(server.odd("a range that was not asked for"))?;
        if starts_at != 0 && starts_at != at.done {
            return Err(server.odd("a range that was not asked for"));
        }
        let mut skip = at.done - starts_at;
        while at.done < len {
            let chunk = tokio::time::timeout(server.silence, response.chunk()).await;
            let chunk = chunk.map_err(|_| server.timed_out())?.map_err(|error| server.failed(&error))?;
            let Some(chunk) = chunk else {
                return Err(Error::Broken {
                    host: server.host().to_owned(),
                    why: "it ended too early".into(),
                });
            };
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= skipped as u64;
            let mut rest = &chunk[skipped..];
            while !rest.is_empty() && at.done < len {
                let mut buffer = match at.current.take() {
                    Some(buffer) => buffer,
                    None => pool.take().await.ok_or(Error::Interrupted)?,
                };
                let whole =
                    self.body.segment_len(at.index).ok_or(Error::Internal("a segment beyond the body"))?;
                let filled = buffer.len();
                let taken = rest.len().min(whole - filled);
                buffer.room()[filled..filled + taken].copy_from_slice(&rest[..taken]);
                buffer.set_len(filled + taken);
                rest = &rest[taken..];
                at.done += taken as u64;
                moved.fetch_add(taken as u64, Ordering::Relaxed);
                if buffer.len() < whole {
                    at.current = Some(buffer);
                    continue;
                }
                let nth = usize::try_from(at.index - first).unwrap_or(usize::MAX);
                let leaf = match page.get(nth) {
                    Some(leaf) => *leaf,
                    None => {
                        (first, page) = self.tree.page_of(at.index, &self.tickets).await?;
                        let nth = usize::try_from(at.index - first).unwrap_or(usize::MAX);
                        *page.get(nth).ok_or(Error::Internal("a segment without a leaf"))?
                    }
                };
                self.open(at.index, leaf, buffer, out)?;
                at.index += 1;
            }
        }
        Ok(())
    }

    /// Has a whole segment proven and opened on a worker thread.
    fn open(
        self: &Arc<Self>,
        index: u64,
        leaf: Node,
        buffer: SegmentBuf,
        out: &mpsc::UnboundedSender<oneshot::Receiver<Result<Opened>>>,
    ) -> Result<()> {
        let (result, opened) = oneshot::channel();
        out.send(opened).map_err(|_| Error::Interrupted)?;
        let fetch = Arc::clone(self);
        // When nobody waits for it any more the verb is over.
        rayon::spawn(move || drop(result.send(fetch.opened(index, &leaf, buffer))));
        Ok(())
    }

    fn opened(&self, index: u64, leaf: &Node, mut buffer: SegmentBuf) -> Result<Opened> {
        if merkle::leaf(buffer.as_ref()) != *leaf {
            return Err(Error::NotAuthentic);
        }
        let position = Position::of(self.body, index).ok_or(Error::Internal("a segment beyond the body"))?;
        let segment = buffer.segment_mut();
        let plain = self.opener.open_in_place(index, position, segment).map_err(|_| Error::NotAuthentic)?;
        let at = index * SEGMENT_PLAIN as u64;
        let stored = pad::strip(self.stored, at, plain).map_err(|_| Error::NotAuthentic)?;
        let len = stored.len();
        match &self.random_access {
            Some((file, path)) => {
                file.write_all_at(stored, at).map_err(Error::io("write", path))?;
                Ok(Opened::Written(len as u64))
            }
            None => Ok(Opened::Held(buffer, PLAIN_AT..PLAIN_AT + len)),
        }
    }
}

/// How far a part has come.
struct Place {
    /// Segment that is being filled.
    index: u64,
    /// Bytes of the part that are here.
    done: u64,
    current: Option<SegmentBuf>,
}

/// The first byte that a reply holds.
fn start_of(response: &Response) -> Option<u64> {
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
            range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
        }
        _ => Some(0),
    }
}

/// The thread that writes, and inflates if need be, in order.
struct Ordered {
    segments: mpsc::Sender<(SegmentBuf, Range<usize>)>,
    end: oneshot::Receiver<Result<()>>,
}

impl Ordered {
    fn start(out: Box<dyn Write + Send>, path: Option<PathBuf>, metadata: &Metadata) -> Result<Self> {
        let (segments, taken) = mpsc::channel(4);
        let (done, end) = oneshot::channel();
        let inflated = (metadata.compression == Compression::Gzip).then_some(metadata.original_size);
        let work = move || {
            let outcome = write_all(out, taken, inflated).map_err(|error| match (error, path) {
                (InflateError::Sink(error), Some(path)) => Error::io("write", path)(error),
                (InflateError::Sink(error), None) => Error::Output(error),
                _ => Error::NotAuthentic,
            });
            // Nobody waits for it when the verb was dropped.
            drop(done.send(outcome));
        };
        std::thread::Builder::new()
            .name("wax-write".into())
            .spawn(work)
            .map_err(|_| Error::Internal("no thread could be started"))?;
        Ok(Self { segments, end })
    }

    async fn push(&self, buffer: SegmentBuf, range: Range<usize>) -> Result<()> {
        self.segments.send((buffer, range)).await.map_err(|_| Error::Output(io::ErrorKind::BrokenPipe.into()))
    }

    /// Waits until everything is written. A pipe that nobody reads is not waited for once stopping is asked for.
    async fn end(self, cancel: &Cancel) -> Result<()> {
        drop(self.segments);
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::Interrupted),
            outcome = self.end => outcome.map_err(|_| Error::Internal("the writing thread ended"))?,
        }
    }
}

fn write_all(
    out: Box<dyn Write + Send>,
    mut segments: mpsc::Receiver<(SegmentBuf, Range<usize>)>,
    inflated: Option<u64>,
) -> Result<(), InflateError> {
    let mut out = out;
    match inflated {
        None => {
            while let Some((buffer, range)) = segments.blocking_recv() {
                out.write_all(&buffer.as_ref()[range])?;
            }
        }
        Some(original) => {
            let mut inflater = Inflater::new(out, original);
            while let Some((buffer, range)) = segments.blocking_recv() {
                inflater.push(&buffer.as_ref()[range])?;
            }
            out = inflater.finish()?;
        }
    }
    Ok(out.flush()?)
}
