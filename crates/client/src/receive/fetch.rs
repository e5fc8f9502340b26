//! Parts on their way in: fetched side by side and handed on in order.

use super::ordered::Ordered;
use super::part::{Coming, Fetch, Opened};
use super::sink::Out;
use crate::pool::Pool;
use crate::{Cancel, Error, Phase, Progress, Result};
use format::Metadata;
use std::collections::VecDeque;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Segment buffers of each part on its way: 8 MiB, two runs.
const BUFFERS: usize = 32;

/// Fetches everything to where it goes; gives the path of the file, if it is one.
pub(super) async fn run(
    fetch: Fetch,
    out: Out,
    metadata: &Metadata,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Option<PathBuf>> {
    let stored = fetch.stored;
    let path = match &out {
        Out::Landing(file) => Some(file.path()),
        Out::Writer(_) => None,
    };
    let (file, ordered) = match out {
        Out::Landing(file) if fetch.random_access.is_some() => (Some(file), None),
        Out::Landing(file) => {
            let out: Box<dyn Write + Send> = Box::new(BufWriter::with_capacity(1 << 20, file.handle()?));
            (Some(file), Some(Ordered::start(out, path, metadata)?))
        }
        Out::Writer(out) => (None, Some(Ordered::start(out, None, metadata)?)),
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
    let mut coming: VecDeque<(Pool, mpsc::UnboundedReceiver<Coming>)> = VecDeque::new();
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
            run = front.recv() => match run {
                Some(run) => {
                    let lost = |_| Error::Internal("an opening thread ended");
                    let opened = tokio::select! {
                        () = cancel.cancelled() => return Err(Error::Interrupted),
                        opened = run => opened.map_err(lost)??,
                    };
                    stored += match (opened, ordered) {
                        (Opened::Written(len), _) => len,
                        (Opened::Held(run), Some(ordered)) => {
                            let len = run.iter().map(|(_, range)| range.len() as u64).sum();
                            for (buffer, range) in run {
                                tokio::select! {
                                    () = cancel.cancelled() => return Err(Error::Interrupted),
                                    sent = ordered.push(buffer, range) => sent?,
                                }
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
