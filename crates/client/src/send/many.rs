//! Many files in one go: small ones by the hundred in one request, large ones as usual, each exactly once.

use super::handful::Handful;
use super::journal::SourceIdentity;
use super::ledger::{Entry, Ledger, Pending};
use super::plan::SourceFile;
use super::request::{Terms, check_limits};
use super::way::Author;
use super::{Compress, Job, Kind, Sent, Source, each_once};
use crate::http::retrying;
use crate::keys::Unlocked;
use crate::{Address, Cancel, Client, Error, Note, Phase, Progress, Result, RsaPublicKey};
use proto::limits::{BATCH_FILES_MAX, JSON_BODY_MAX};
use proto::{B64, Batch, BatchReply, Code, paths};
use rayon::prelude::*;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Several files to the same people, on the same terms.
pub struct SendMany {
    /// Regular files, each sealed under its own name.
    pub files: Vec<PathBuf>,
    /// As in [`super::SendRequest`].
    pub to: Vec<Address>,
    /// As in [`super::SendRequest`].
    pub to_keys: Vec<RsaPublicKey>,
    /// How long each file lives.
    pub expires_in: Duration,
    /// Downloads of each by others before it closes.
    pub max_downloads: Option<u32>,
    /// Compression.
    pub compress: Compress,
    /// Whether to hide the exact sizes.
    pub padded: bool,
    /// As in [`super::SendRequest`].
    pub preview: bool,
}

/// Hears of each file that was sent: its place in the request, from 0, and what was sent.
pub type OnSent<'a> = &'a mut (dyn FnMut(usize, Sent) + Send);

/// A file of the request, as it was when the command began.
struct Item {
    nth: usize,
    source: SourceIdentity,
}

/// Small files that were sealed together.
struct Sealed {
    nths: Vec<usize>,
    pending: Pending,
}

impl Client {
    /// Seals and sends files one after the other; small ones go together. The same request again, after whatever
    /// interrupted it, sends only what the server did not acknowledge.
    ///
    /// # Errors
    /// As [`Client::send`], for the first file that cannot be sent; those of which `on_sent` heard are sent.
    pub async fn send_many(
        &self,
        me: &Unlocked,
        request: SendMany,
        progress: &dyn Progress,
        cancel: &Cancel,
        on_sent: OnSent<'_>,
    ) -> Result<()> {
        let SendMany { files, to, to_keys, expires_in, max_downloads, compress, padded, preview } = request;
        let options = &check_limits(&Terms { expires_in, max_downloads, compress, padded, preview })?;
        let keys = &each_once(to_keys)[..];
        let sources = files.iter().map(|path| SourceFile::look(path)).collect::<Result<Vec<_>>>()?;
        let recipients = &self.recipients(me, &to, keys.len(), progress).await?[..];
        let inner = &self.inner;
        let name = Source::File(PathBuf::from("-")).sealed_name(None)?;
        let (author, kind) = (Author::Me(me), Kind::File);
        let job = Job { inner, author, into: None, name, recipients, keys, options, progress, cancel, kind };
        let ledger = Ledger::open(&inner.home, &job.many_digest()?)?;
        let mut run = Run::new(job, ledger, on_sent, &sources);
        run.all(&sources).await?;
        run.ledger.finish(&sources)
    }
}

/// A request, and the places of its files in what was asked for.
type Waiting = (Vec<usize>, Pending);

pub(super) struct Run<'a, 's> {
    job: Job<'a>,
    ledger: Ledger<'a>,
    on_sent: OnSent<'s>,
    /// Bytes of the sources that were sent, and of all.
    done: u64,
    total: u64,
    /// Bytes of one request: fewer once something on the way has refused so many.
    room: usize,
}

impl<'a, 's> Run<'a, 's> {
    pub(super) fn new(
        job: Job<'a>,
        ledger: Ledger<'a>,
        on_sent: OnSent<'s>,
        sources: &[SourceIdentity],
    ) -> Self {
        let total = sources.iter().map(|source| source.size).sum();
        Self { job, ledger, on_sent, done: 0, total, room: JSON_BODY_MAX }
    }

    pub(super) fn into_ledger(self) -> Ledger<'a> {
        self.ledger
    }

    pub(super) async fn all(&mut self, sources: &[SourceIdentity]) -> Result<()> {
        if let Some(pending) = self.pending_of(sources).await? {
            match self.deliver(&[], pending).await {
                // Sealed with, or for, keys that were replaced since: nobody will ever take it, and nobody has.
                Err(error) if matches!(error.code(), Some(Code::Rejected | Code::Conflict)) => {
                    self.job.progress.note(&Note::BegunWithOldKeys);
                }
                delivered => delivered?,
            }
        }
        let mut queue: VecDeque<Item> = (0..).zip(sources.iter().cloned()).map(Item::new).collect();
        let there = self.forget_sent(&mut queue);
        if there > 0 {
            self.job.progress.note(&Note::Resumed { parts: there, of: sources.len() as u64 });
        }
        let mut sealed: Option<Sealed> = None;
        while sealed.is_some() || !queue.is_empty() {
            let window = self.window(&mut queue);
            // The next files are sealed while the server works on those before.
            let job = self.job.clone();
            let sealing = async { tokio::task::block_in_place(|| seal(&job, window)) };
            let (delivered, next) = match sealed.take() {
                Some(Sealed { nths, pending }) => {
                    futures::join!(self.deliver(&nths, pending), sealing)
                }
                None => (Ok(()), sealing.await),
            };
            delivered?;
            sealed = next?;
            if sealed.is_none()
                && let Some(item) = queue.pop_front()
            {
                self.large(item).await?;
            }
        }
        Ok(())
    }

    /// The request that was on its way when an earlier command was stopped, if it is this command's. One of other files, or of
    /// files that have changed, is not sent for anybody who asks for something else: it is asked whether it had arrived.
    async fn pending_of(&mut self, sources: &[SourceIdentity]) -> Result<Option<Pending>> {
        let Some(pending) = self.ledger.pending.take() else { return Ok(None) };
        let is_ours = pending.entries.iter().all(|entry| sources.contains(&entry.source));
        // Members are nobody's by themselves.
        if is_ours || matches!(self.job.kind, Kind::Member) {
            return Ok(Some(pending));
        }
        // All files of a request appear together, or none.
        let mut ends = None;
        if let Some(first) = pending.entries.first() {
            // A server goes on with a request whose sender it has lost, so it may be about to appear.
            for pause in [0, 1, 2] {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                ends = self.job.inner.ends(first.sent.file_id).await?;
                if ends.is_some() {
                    break;
                }
            }
        }
        if let Some(ends) = ends {
            let mut entries = pending.entries;
            entries.iter_mut().for_each(|entry| entry.sent.expires_at = ends);
            let paths = entries.iter().map(|entry| entry.source.path.clone()).collect();
            self.job.progress.note(&Note::SentBefore { paths });
            self.ledger.acknowledged(entries)?;
        }
        self.ledger.forget_batch()?;
        Ok(None)
    }

    /// Takes out of the queue what an earlier try sent; how many.
    fn forget_sent(&mut self, queue: &mut VecDeque<Item>) -> u64 {
        let mut there = 0;
        queue.retain(|item| {
            let Some(sent) = self.ledger.sent(&item.source).filter(|sent| self.job.is_usable(sent)) else {
                return true;
            };
            let sent = Sent { resumed_parts: sent.parts, ..sent.clone() };
            (self.on_sent)(item.nth, sent);
            self.done += item.source.size;
            there += 1;
            false
        });
        there
    }

    /// Small files from the front of the queue, as many as surely fit into one request.
    fn window(&self, queue: &mut VecDeque<Item>) -> Vec<Item> {
        let mut window = Vec::new();
        let mut room = self.room;
        while let Some(item) = queue.front()
            && window.len() < BATCH_FILES_MAX
            && let Some(cost) = self.job.cost_of_small(item.source.size)
        {
            if !window.is_empty() && cost > room {
                break;
            }
            room = room.saturating_sub(cost);
            window.extend(queue.pop_front());
        }
        window
    }

    /// Sends a request of small files until it is acknowledged: as it is, or by halves where something on the way
    /// takes only smaller ones. What was refused for its length was not taken, so halves send nothing twice.
    async fn deliver(&mut self, nths: &[usize], pending: Pending) -> Result<()> {
        let mut waiting = vec![(nths.to_vec(), pending)];
        while let Some((nths, pending)) = waiting.pop() {
            self.ledger.begin(&pending)?;
            match self.post(&nths, &pending).await {
                Err(Error::TooLarge) if pending.entries.len() > 1 => {
                    self.room = (self.room / 2).max(1 << 16);
                    self.job.progress.note(&Note::SmallerParts { part_len: self.room as u64 });
                    let (first, second) = halves(nths, pending)?;
                    waiting.extend([second, first]);
                }
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn post(&mut self, nths: &[usize], pending: &Pending) -> Result<()> {
        let Pending { entries, request } = pending;
        let mut entries = entries.clone();
        let Job { inner, progress, cancel, .. } = self.job;
        let reply: BatchReply = retrying(inner.options.retry_for, progress, cancel, || {
            inner.call(|server| {
                server
                    .request(Method::POST, paths::BATCH)
                    .header(CONTENT_TYPE, "application/json")
                    .body(request.0.clone())
            })
        })
        .await?;
        let fits = reply.files.len() == entries.len()
            && reply.files.iter().zip(&entries).all(|(file, entry)| file.file_id == entry.sent.file_id);
        if !fits {
            return Err(inner.server()?.odd("a batch of other files"));
        }
        for (entry, file) in entries.iter_mut().zip(&reply.files) {
            entry.sent.expires_at = file.expires_at;
        }
        self.ledger.acknowledged(entries.clone())?;
        for (nth, entry) in nths.iter().zip(entries) {
            self.done += entry.source.size;
            (self.on_sent)(*nth, entry.sent);
        }
        progress.progress(Phase::Uploading, self.done.min(self.total), Some(self.total));
        Ok(())
    }

    async fn large(&mut self, item: Item) -> Result<()> {
        let file = item.open()?;
        let sum =
            Sum { inner: self.job.progress, before: self.done, size: item.source.size, total: self.total };
        let job = Job { progress: &sum, name: name_of(&item.source.path)?, ..self.job.clone() };
        let sent = Box::pin(job.send_file(&file)).await?;
        self.ledger.acknowledged(vec![Entry { source: item.source.clone(), sent: sent.clone() }])?;
        self.done += item.source.size;
        (self.on_sent)(item.nth, sent);
        Ok(())
    }
}

/// Seals small files on all cores into one request; `None` if there are none.
fn seal(job: &Job<'_>, window: Vec<Item>) -> Result<Option<Sealed>> {
    if window.is_empty() {
        return Ok(None);
    }
    let each = window.par_iter().map(|item| {
        if job.cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let job = Job { name: name_of(&item.source.path)?, ..job.clone() };
        job.seal_small_file(&item.open()?)
    });
    let mut handful = Handful::default();
    for sealed in each.collect::<Result<Vec<_>>>()? {
        if !handful.add(sealed) {
            return Err(Error::Internal("small files do not fit into one request"));
        }
    }
    let (request, sent) = handful.request();
    let nths = window.iter().map(|item| item.nth).collect();
    let entries = window.into_iter().zip(sent).map(|(item, sent)| Entry { source: item.source, sent });
    Ok(Some(Sealed { nths, pending: Pending { entries: entries.collect(), request: B64(request) } }))
}

/// Two requests of half as many files each.
fn halves(mut nths: Vec<usize>, pending: Pending) -> Result<(Waiting, Waiting)> {
    let damaged = |_| Error::Internal("a batch has no JSON form");
    let Pending { mut entries, request } = pending;
    let mut first: Batch = serde_json::from_slice(&request.0).map_err(damaged)?;
    let half = entries.len() / 2;
    let second = Batch { files: first.files.split_off(half.min(first.files.len())) };
    let rest = entries.split_off(half);
    // Of a request of an earlier try nobody is waiting to hear.
    let rest_nths = nths.split_off(half.min(nths.len()));
    let encoded = |batch: &Batch| serde_json::to_vec(batch).map(B64).map_err(damaged);
    let (first, second) = (encoded(&first)?, encoded(&second)?);
    Ok(((nths, Pending { entries, request: first }), (rest_nths, Pending { entries: rest, request: second })))
}

fn name_of(path: &Path) -> Result<format::FileName> {
    Source::File(path.to_path_buf()).sealed_name(None)
}

impl Item {
    fn new((nth, source): (usize, SourceIdentity)) -> Self {
        Self { nth, source }
    }

    /// The file, if it is still what it was when the command began.
    fn open(&self) -> Result<SourceFile> {
        let file = SourceFile::open(&self.source.path)?;
        if file.identity != self.source {
            return Err(Error::SourceChanged(self.source.path.clone()));
        }
        Ok(file)
    }
}

impl Job<'_> {
    /// Whether what was sent is of use: what has ended since is none, nor a member without a key that opens by now.
    fn is_usable(&self, sent: &Sent) -> bool {
        if sent.expires_at <= self.inner.now() {
            return false;
        }
        match (self.kind, &sent.kept) {
            (Kind::Member, Some(kept)) => self.open_key(sent.file_id, &kept.sealed_key.0).is_some(),
            (Kind::Member, None) => false,
            (Kind::File | Kind::Folder(_), _) => true,
        }
    }

    /// SHA-256 over all that is asked for but the files.
    pub(super) fn many_digest(&self) -> Result<[u8; 32]> {
        let nothing = SourceIdentity { path: PathBuf::new(), size: 0, mtime_ns: 0, device: 0, inode: 0 };
        self.request_digest(&nothing)
    }
}

/// The progress of one large file within that of all.
struct Sum<'a> {
    inner: &'a dyn Progress,
    before: u64,
    size: u64,
    total: u64,
}

impl Progress for Sum<'_> {
    fn progress(&self, phase: Phase, done: u64, _total: Option<u64>) {
        // The body is a little longer than the file; the other phases are short.
        if phase == Phase::Uploading {
            self.inner.progress(phase, self.before + done.min(self.size), Some(self.total));
        }
    }

    fn note(&self, note: &Note) {
        self.inner.note(note);
    }
}
