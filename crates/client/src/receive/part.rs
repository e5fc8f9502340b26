//! One part on its way in: its segments are proven and opened in runs while the next ones arrive.

use super::tickets::Tickets;
use super::tree::Tree;
use crate::client::Inner;
use crate::http::{Backoff, Server};
use crate::pool::{Pool, SegmentBuf};
use crate::{Error, FileId, Note, Result};
use bytes::Bytes;
use envelope::merkle::{self, Node};
use envelope::segment::{SEGMENT_LEN, SEGMENT_PLAIN};
use envelope::{BodyShape, PartShape};
use format::payload::{PLAIN_AT, plain_of};
use format::{PayloadOpener, Position, pad};
use proto::paths;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// All that fetching needs and nothing changes.
pub(super) struct Fetch {
    pub(super) inner: Arc<Inner>,
    pub(super) file_id: FileId,
    pub(super) body: BodyShape,
    pub(super) cut: PartShape,
    pub(super) opener: PayloadOpener,
    pub(super) tree: Tree,
    pub(super) tickets: Arc<Tickets>,
    /// Bytes before padding.
    pub(super) stored: u64,
    /// Segments may be written at their places as they come; absent: they are wanted in order.
    pub(super) random_access: Option<(File, PathBuf)>,
}

/// Segments that were proven and opened together.
pub(super) enum Opened {
    /// Written at their places: so many bytes.
    Written(u64),
    /// In their buffers, at these places, in order.
    Held(Vec<(SegmentBuf, Range<usize>)>),
}

/// A run on its way through a worker.
pub(super) type Coming = oneshot::Receiver<Result<Opened>>;

impl Fetch {
    /// Fetches part `n`, going on where the connection broke, and gives every segment to be opened.
    pub(super) async fn part(
        self: Arc<Self>,
        n: u32,
        pool: &Pool,
        moved: &AtomicU64,
        notes: &mpsc::UnboundedSender<Note>,
        out: &mpsc::UnboundedSender<Coming>,
    ) -> Result<()> {
        let server = self.tickets.server();
        let path = paths::fill(paths::CONTENT, &[&self.file_id, &n]);
        let len = self.cut.part_len(self.body, n).ok_or(Error::Internal("a part beyond the body"))?;
        let mut at = Place {
            index: self.cut.segments_of(self.body, n).start,
            done: 0,
            current: None,
            run: Run::default(),
        };
        let mut backoff = Backoff::new(self.inner.options.retry_for);
        loop {
            let before = at.done;
            let outcome = self.go_on(server, &path, len, &mut at, pool, moved, out).await;
            if at.done > before {
                backoff.moved();
            }
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let pause = backoff.next(error)?;
                    if let Some(note) = pause.note() {
                        // Nobody reads notes when the verb is over.
                        drop(notes.send(note));
                    }
                    tokio::time::sleep(pause.time).await;
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
        out: &mpsc::UnboundedSender<Coming>,
    ) -> Result<()> {
        let (mut first, mut page) = self.tree.page_of(at.index, &self.tickets).await?;
        let (mut response, is_stored) = self.tickets.part(server, path, at.done).await?;
        let starts_at = start_of(&response).ok_or(server.odd("a range that was not asked for"))?;
        if starts_at != 0 && starts_at != at.done {
            return Err(server.odd("a range that was not asked for"));
        }
        let mut skip = at.done - starts_at;
        while at.done < len {
            let chunk = tokio::time::timeout(server.silence, response.chunk()).await;
            if is_stored && !matches!(chunk, Ok(Ok(Some(_)))) {
                // The next try goes on at this byte, through the server.
                server.store.give_up();
            }
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
                at.run.push(at.index, leaf, buffer);
                at.index += 1;
                if at.run.buffers.len() >= merkle::leaves_at_once() || at.done == len {
                    self.open(std::mem::take(&mut at.run), out)?;
                }
            }
        }
        Ok(())
    }

    /// Has a run of whole segments proven and opened on a worker thread; one that is not authentic is asked for once more.
    fn open(self: &Arc<Self>, run: Run, out: &mpsc::UnboundedSender<Coming>) -> Result<()> {
        let (mut result, opened) = oneshot::channel();
        out.send(opened).map_err(|_| Error::Interrupted)?;
        let (fetch, runtime, leaves) = (Arc::clone(self), Handle::current(), run.leaves.clone());
        let first = run.first;
        // When nobody waits for it any more the verb is over.
        rayon::spawn(move || match fetch.opened(run) {
            Err(Error::NotAuthentic) => drop(runtime.spawn(async move {
                tokio::select! {
                    () = result.closed() => {}
                    again = fetch.again(first, leaves) => drop(result.send(again)),
                }
            })),
            outcome => drop(result.send(outcome)),
        });
        Ok(())
    }

    /// Fetches a run of segments out of a copy that the server has checked. It is opened as any other, and that is the last word.
    async fn again(self: &Arc<Self>, first: u64, leaves: Vec<Node>) -> Result<Opened> {
        const BEYOND: Error = Error::Internal("a segment beyond the body");
        let part = self.cut.part_of(first).ok_or(BEYOND)?;
        let from = (first - self.cut.segments_of(self.body, part).start) * SEGMENT_LEN as u64;
        let server = self.tickets.server();
        let path = paths::fill(paths::CONTENT, &[&self.file_id, &part]);
        let mut response = self.tickets.checked(server, &path, from).await?;
        if start_of(&response) != Some(from) {
            return Err(server.odd("a range that was not asked for"));
        }
        let spare = Pool::new(leaves.len());
        let (mut run, mut chunk) = (Run::default(), Bytes::new());
        for (index, leaf) in (first..).zip(leaves) {
            let whole = self.body.segment_len(index).ok_or(BEYOND)?;
            let mut buffer = spare.take().await.ok_or(Error::Interrupted)?;
            while buffer.len() < whole {
                if chunk.is_empty() {
                    let next = tokio::time::timeout(server.silence, response.chunk()).await;
                    let next =
                        next.map_err(|_| server.timed_out())?.map_err(|error| server.failed(&error))?;
                    chunk = next.ok_or(Error::NotAuthentic)?;
                }
                let (filled, taken) = (buffer.len(), chunk.len().min(whole - buffer.len()));
                buffer.room()[filled..filled + taken].copy_from_slice(&chunk.split_to(taken));
                buffer.set_len(filled + taken);
            }
            run.push(index, leaf, buffer);
        }
        let fetch = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || fetch.opened(run)).await;
        opened.map_err(|_| Error::Internal("an opening thread ended"))?
    }

    fn opened(&self, mut run: Run) -> Result<Opened> {
        const BEYOND: Error = Error::Internal("a segment beyond the body");
        let last = (run.first + run.buffers.len() as u64).checked_sub(1).ok_or(BEYOND)?;
        let last = Position::of(self.body, last).ok_or(BEYOND)?;
        let mut segments: Vec<&mut [u8]> = run.buffers.iter_mut().map(SegmentBuf::segment_mut).collect();
        let opened = self.opener.open_run(run.first, last, &mut segments, Some(&run.leaves));
        opened.map_err(|_| Error::NotAuthentic)?;
        let mut at = run.first * SEGMENT_PLAIN as u64;
        let mut held = Vec::new();
        let mut written = 0;
        for buffer in run.buffers {
            let plain = plain_of(buffer.as_ref()).next().unwrap_or_default();
            let stored = pad::strip(self.stored, at, plain).map_err(|_| Error::NotAuthentic)?;
            let len = stored.len();
            if let Some((file, path)) = &self.random_access {
                file.write_all_at(stored, at).map_err(Error::io("write", path))?;
                written += len as u64;
            } else {
                held.push((buffer, PLAIN_AT..PLAIN_AT + len));
            }
            at += SEGMENT_PLAIN as u64;
        }
        Ok(if self.random_access.is_some() { Opened::Written(written) } else { Opened::Held(held) })
    }
}

/// Whole segments, one after the other, that are proven and opened together.
#[derive(Default)]
struct Run {
    /// Index of the first.
    first: u64,
    leaves: Vec<Node>,
    buffers: Vec<SegmentBuf>,
}

impl Run {
    fn push(&mut self, index: u64, leaf: Node, buffer: SegmentBuf) {
        if self.buffers.is_empty() {
            self.first = index;
        }
        self.leaves.push(leaf);
        self.buffers.push(buffer);
    }
}

/// How far a part has come.
struct Place {
    /// Segment that is being filled.
    index: u64,
    /// Bytes of the part that are here.
    done: u64,
    current: Option<SegmentBuf>,
    /// Whole segments that wait for others to be opened with.
    run: Run,
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
