//! The parts on their way: some at once, each again until the server holds it.

use super::Job;
use super::journal::Journal;
use super::produce::{Content, Failed, Produced, Producer, ReadyPart, Started};
use super::way::Pass;
use crate::http::{Backoff, Server};
use crate::pool::Pool;
use crate::{Error, FileId, Phase, Result};
use bytes::Bytes;
use envelope::segment::SEGMENT_LEN;
use envelope::{BodyShape, PartShape};
use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use proto::{AskDirect, ConfirmDirect, DirectPlace, Token, UploadStatus, headers, paths};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Why uploading ended.
pub(super) enum Stopped {
    /// Something on the way takes only smaller parts.
    TooLarge(Option<Box<Journal>>),
    /// Anything else.
    Failed(Error, Option<Box<Journal>>),
}

/// The parts that the server does not hold as the journal knows them, and how many it does.
pub(super) fn missing(
    journal: &Journal,
    body: BodyShape,
    cut: PartShape,
    status: &UploadStatus,
) -> (Vec<u32>, u64) {
    let held: BTreeMap<u32, _> = status.parts.iter().map(|part| (part.n, part.node)).collect();
    let parts = cut.parts(body);
    let todo: Vec<u32> =
        (0..parts).filter(|n| journal.node(*n).is_none_or(|ours| held.get(n) != Some(&ours))).collect();
    let there = u64::from(parts) - todo.len() as u64;
    (todo, there)
}

/// Ends the producer when the verb ends, however it ends.
struct CloseOnDrop(Pool);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Sends all that `producer` makes, into the object store itself if the server offers that (`is_direct`). `begun_with` of `total` bytes are there already.
pub(super) async fn run(
    job: &Job<'_>,
    file_id: FileId,
    producer: Producer,
    is_direct: bool,
    begun_with: u64,
    total: Option<u64>,
) -> Result<Produced, Stopped> {
    let failed = |error| Stopped::Failed(error, None);
    let pool = producer.pool.clone();
    let ends_promptly = producer.ends_promptly;
    let Started { parts, mut end } = producer.start().map_err(failed)?;
    let closer = CloseOnDrop(pool.clone());
    let mut produced = None;
    let outcome =
        drive(job, file_id, &pool, parts, &mut end, &mut produced, is_direct, begun_with, total).await;
    drop(closer);
    let error = match outcome {
        Ok(()) => return produced.ok_or(Error::Internal("nothing was produced")).map_err(failed),
        Err(Ended::Producer(failed)) => return Err(Stopped::Failed(failed.error, failed.journal)),
        Err(Ended::Upload(error)) => error,
    };
    // The thread holds the journal and its lock; it ends as soon as it asks for a buffer or a listener.
    let journal = match produced {
        Some(produced) => produced.journal,
        None if ends_promptly => end.await.ok().and_then(|outcome| match outcome {
            Ok(produced) => produced.journal,
            Err(failed) => failed.journal,
        }),
        None => None,
    };
    Err(match error {
        Error::TooLarge => Stopped::TooLarge(journal),
        error => Stopped::Failed(error, journal),
    })
}

type OnTheWay<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

enum Ended {
    Producer(Failed),
    Upload(Error),
}

#[expect(clippy::too_many_arguments, reason = "one loop over all that is under way")]
async fn drive(
    job: &Job<'_>,
    file_id: FileId,
    pool: &Pool,
    mut parts: tokio::sync::mpsc::Receiver<ReadyPart>,
    end: &mut oneshot::Receiver<Result<Produced, Failed>>,
    produced: &mut Option<Produced>,
    is_direct: bool,
    begun_with: u64,
    total: Option<u64>,
) -> Result<(), Ended> {
    let moved = Arc::new(AtomicU64::new(begun_with));
    let mut shown = begun_with;
    let mut on_the_way: FuturesUnordered<OnTheWay<'_>> = FuturesUnordered::new();
    let at_once = job.inner.options.parts_at_once.clamp(1, 8);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        if produced.is_some() && on_the_way.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            () = job.cancel.cancelled() => return Err(Ended::Upload(Error::Interrupted)),
            Some(sent) = on_the_way.next() => sent.map_err(Ended::Upload)?,
            part = parts.recv(), if produced.is_none() && on_the_way.len() < at_once => match part {
                Some(part) => on_the_way.push(Box::pin(put_part(job, file_id, pool, part, is_direct, Arc::clone(&moved)))),
                None => {
                    let lost = |_| Ended::Upload(Error::Internal("the sealing thread ended"));
                    *produced = Some((&mut *end).await.map_err(lost)?.map_err(Ended::Producer)?);
                }
            },
            _ = tick.tick() => {
                shown = shown.max(moved.load(Ordering::Relaxed));
                job.progress.progress(Phase::Uploading, shown, total);
            }
        }
    }
    let all = total.unwrap_or_else(|| moved.load(Ordering::Relaxed));
    job.progress.progress(Phase::Uploading, all, total);
    Ok(())
}

/// Sends one part until the server holds it durably.
async fn put_part(
    job: &Job<'_>,
    file_id: FileId,
    pool: &Pool,
    part: ReadyPart,
    is_direct: bool,
    moved: Arc<AtomicU64>,
) -> Result<()> {
    let server = job.server()?;
    let path = job.part_path(file_id, part.n);
    let direct_path = paths::fill(paths::PART_DIRECT, &[&file_id, &part.n]);
    let mut backoff = Backoff::new(job.inner.options.retry_for);
    let mut rejected: Option<Token> = None;
    loop {
        let pass = job.pass(file_id, rejected.as_ref()).await;
        let outcome = match &pass {
            Ok(pass @ Pass::Bearer(_)) if is_direct && server.store.is_tried() => {
                match put_direct(&server, &direct_path, pass, &part, pool, &moved).await {
                    Ok(true) => Ok(()),
                    Ok(false) => {
                        server.store.give_up();
                        put_once(&server, &path, pass, &part, pool, &moved).await
                    }
                    Err(error) => Err(error),
                }
            }
            Ok(pass) => put_once(&server, &path, pass, &part, pool, &moved).await,
            Err(_) => Ok(()),
        };
        let error = match (pass, outcome) {
            (Ok(_), Ok(())) => return Ok(()),
            // Once for a try: a server that refuses a fresh token as well would be asked for ever.
            (Ok(Pass::Bearer(token)), Err(Error::SessionEnded)) if rejected.is_none() => {
                rejected = Some(token);
                continue;
            }
            (Ok(_), Err(error)) | (Err(error), _) => error,
        };
        let pause = backoff.next(error)?;
        rejected = None;
        if let Some(note) = pause.note() {
            job.progress.note(&note);
        }
        tokio::time::sleep(pause.time).await;
        // The server may hold the part although its answer was lost; what is there is not sent again.
        if is_there(job, file_id, &part).await {
            moved.fetch_add(part.len, Ordering::Relaxed);
            return Ok(());
        }
    }
}

/// Whether the server says that it holds the part. If it cannot be asked, the part is sent again.
async fn is_there(job: &Job<'_>, file_id: FileId, part: &ReadyPart) -> bool {
    let path = job.upload_path(file_id);
    let status: Result<UploadStatus> = job.call(file_id, |server| server.request(Method::GET, &path)).await;
    status.is_ok_and(|status| status.parts.iter().any(|held| held.n == part.n && held.node == part.node))
}

/// One try. What it moved is taken back from the count if it fails.
async fn put_once(
    server: &Server,
    path: &str,
    pass: &Pass,
    part: &ReadyPart,
    pool: &Pool,
    moved: &Arc<AtomicU64>,
) -> Result<()> {
    let here = Arc::new(AtomicU64::new(0));
    let (body, mut fault) = body_of(part, pool, moved, &here);
    let request = pass
        .on(server.request(Method::PUT, path))
        .header(headers::NODE, part.node.to_string())
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, part.len)
        .body(body);
    let outcome = unless_still(server, &here, async {
        let response = request.send().await.map_err(|error| server.failed(&error))?;
        server.accept(response).await.map(drop)
    })
    .await;
    if outcome.is_err() {
        moved.fetch_sub(here.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    match fault.as_mut().and_then(|fault| fault.try_recv().ok()) {
        Some(error) => Err(error),
        None => outcome,
    }
}

/// One try by way of the object store: asks where to, puts the part there, and says so. `false` if that way does not work; an error is the
/// server's.
async fn put_direct(
    server: &Server,
    path: &str,
    pass: &Pass,
    part: &ReadyPart,
    pool: &Pool,
    moved: &Arc<AtomicU64>,
) -> Result<bool> {
    let ask = AskDirect { len: part.len, node: part.node };
    let asked = server.send(pass.on(server.request(Method::POST, path)).json(&ask)).await;
    let place: DirectPlace = match asked {
        Ok(response) => server.json(response).await?,
        // Another server than the one that offered it, or an older one.
        Err(Error::NotFound | Error::Refused(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let here = Arc::new(AtomicU64::new(0));
    let (body, mut fault) = body_of(part, pool, moved, &here);
    let put =
        unless_still(server, &here, async { Ok(server.store.put(&place.url, part.len, body).await) }).await;
    let taken_back = || {
        moved.fetch_sub(here.load(Ordering::Relaxed), Ordering::Relaxed);
    };
    if let Some(error) = fault.as_mut().and_then(|fault| fault.try_recv().ok()) {
        taken_back();
        return Err(error);
    }
    if !matches!(put, Ok(true)) {
        taken_back();
        return Ok(false);
    }
    let confirm = ConfirmDirect { len: part.len, node: part.node, leave: place.leave };
    let request = pass.on(server.request(Method::PUT, path)).json(&confirm);
    match server.send_long(request).await {
        Ok(_) => Ok(true),
        Err(error) => {
            taken_back();
            match error {
                // What the server found there is not what was sent.
                Error::Refused(problem) if !problem.code.is_transient() => Ok(false),
                error => Err(error),
            }
        }
    }
}

/// Lets `request` take as long as it needs while bytes move, and gives up when none have for too long.
async fn unless_still<T>(
    server: &Server,
    moved: &AtomicU64,
    request: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut request = std::pin::pin!(request);
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        tokio::select! {
            outcome = &mut request => return outcome,
            () = tokio::time::sleep(server.silence.min(Duration::from_secs(1))) => {
                let now = moved.load(Ordering::Relaxed);
                if now != seen {
                    (seen, since) = (now, Instant::now());
                } else if since.elapsed() >= server.silence {
                    return Err(server.timed_out());
                }
            }
        }
    }
}

/// The part as a request body that counts what is taken from it, straight from the buffers.
fn body_of(
    part: &ReadyPart,
    pool: &Pool,
    moved: &Arc<AtomicU64>,
    here: &Arc<AtomicU64>,
) -> (Body, Option<oneshot::Receiver<Error>>) {
    let (moved, here) = (Arc::clone(moved), Arc::clone(here));
    let count = move |segment: Bytes| {
        debug_assert!(segment.len() <= SEGMENT_LEN, "bodies go segment by segment");
        here.fetch_add(segment.len() as u64, Ordering::Relaxed);
        moved.fetch_add(segment.len() as u64, Ordering::Relaxed);
        Ok::<_, io::Error>(segment)
    };
    match &part.content {
        Content::Buffers(segments) => (Body::wrap_stream(stream::iter(segments.clone()).map(count)), None),
        Content::Again(again) => {
            let (segments, fault) = again.stream(pool);
            let segments = stream::unfold(segments, |mut segments| async {
                segments.recv().await.map(|segment| (segment, segments))
            });
            (Body::wrap_stream(segments.map(count)), Some(fault))
        }
    }
}
