//! Sending: seal on this machine, upload in parts, sign, share.

mod folder;
mod handful;
pub(crate) mod journal;
mod ledger;
mod many;
mod piped;
pub(crate) mod plan;
mod produce;
mod remembered;
mod request;
mod share;
pub(crate) mod stream;
mod tree;
mod upload;
mod way;

use crate::boxes::BoxVisit;
use crate::client::Inner;
use crate::contacts::Checked;
use crate::http::retrying;
use crate::keys::Unlocked;
use crate::{Address, Cancel, Client, Error, FileId, Note, Phase, Progress, Result, RsaPublicKey};
use envelope::{BodyShape, PartShape};
pub use folder::{SendFolder, SentFolder};
use format::{FileKey, FileName, PayloadSealer};
use journal::{Header, Journal};
pub use many::{OnSent, SendMany};
use plan::{Plan, SourceFile};
use proto::{B64, Begin, BoxId, Code, UploadStatus, limits};
pub(crate) use remembered::find_journal;
pub use request::{Compress, SendRequest, Sent, Source};
use request::{Limits, check_limits};
use reqwest::Method;
use share::Sharing;
use std::sync::Arc;
pub use tree::Skipped;
use way::Author;
pub(crate) use way::Guest;

/// What does not change while one request is tried, however often.
#[derive(Clone)]
struct Job<'a> {
    inner: &'a Arc<Inner>,
    author: Author<'a>,
    /// The drop box that it is for, and the longest body that this takes.
    into: Option<(BoxId, u64)>,
    name: FileName,
    recipients: &'a [Checked],
    keys: &'a [RsaPublicKey],
    options: &'a Limits,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    kind: Kind<'a>,
}

/// What a file is to be.
#[derive(Clone, Copy)]
enum Kind<'a> {
    /// Somebody's, by itself.
    File,
    /// A member of a folder: nobody's by itself.
    Member,
    /// The list of a folder, and the ids of its members: 16 bytes each, ascending.
    Folder(&'a [u8]),
}

/// How one try ended when it did not end for good.
enum Tried {
    Sent(Sent),
    /// The way takes only smaller parts than these.
    TooLarge,
    /// The server knows the journal's upload no longer.
    Gone,
}

impl Client {
    /// Seals and sends. The same request again goes on where an earlier one stopped.
    ///
    /// # Errors
    /// [`Error::UnknownRecipients`] and the `Identity…` errors before anything is sent; [`Error::SourceChanged`]
    /// when nothing was shared; anything transient or [`Error::Interrupted`] leaves the upload to be resumed.
    pub async fn send(
        &self,
        me: &Unlocked,
        request: SendRequest,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Sent> {
        let limits = check_limits(&request.terms())?;
        let name = request.source.sealed_name(request.name.as_deref())?;
        let file = match &request.source {
            Source::File(path) => Some(SourceFile::open(path)?),
            Source::Stream { .. } => None,
        };
        let keys = each_once(request.to_keys);
        let recipients = &self.recipients(me, &request.to, keys.len(), progress).await?;
        let (inner, keys, options) = (&self.inner, &keys[..], &limits);
        let (author, kind) = (Author::Me(me), Kind::File);
        let job = Job { inner, author, into: None, name, recipients, keys, options, progress, cancel, kind };
        job.send(file, request.source).await
    }

    /// Seals for the owner of a drop box and sends into it. Whoever has keys at its server signs: then `me` is given. The
    /// same request again goes on where an earlier one stopped, without an account as well. `to`, `to_keys` and
    /// `max_downloads` of the request do not count.
    ///
    /// # Errors
    /// [`Error::BoxClosed`], [`Error::BoxFull`], [`Error::TooLargeForBox`], and those of [`Client::send`].
    pub async fn send_into(
        &self,
        visit: &BoxVisit,
        me: Option<&Unlocked>,
        request: SendRequest,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Sent> {
        let inner = &self.inner;
        let options = &check_limits(&request::Terms { max_downloads: None, ..request.terms() })?;
        let name = request.source.sealed_name(request.name.as_deref())?;
        let file = match &request.source {
            Source::File(path) => Some(SourceFile::open(path)?),
            Source::Stream { .. } => None,
        };
        let owner = visit.recipient();
        let guest;
        let author = match me {
            Some(me) => {
                if !visit.is_of(&inner.server()?) {
                    return Err(Error::Internal("a signed file goes to one's own server alone"));
                }
                inner.pin_owner(visit).await?;
                Author::Me(me)
            }
            None => {
                guest = Guest::new(&inner.home, visit.server.clone(), visit.id())?;
                Author::Nobody(&guest)
            }
        };
        // One's own grant is there anyway.
        let is_own = author.address() == Some(&owner.contact.address);
        let recipients = if is_own { &[][..] } else { std::slice::from_ref(&owner) };
        let into = Some((visit.id(), visit.max_body()));
        let (keys, kind) = (&[][..], Kind::File);
        let job = Job { inner, author, into, name, recipients, keys, options, progress, cancel, kind };
        job.send(file, request.source).await.map_err(|error| match error.code() {
            Some(Code::NotFound) => Error::BoxClosed,
            _ => error,
        })
    }

    /// Bundles of everybody but oneself, checked and pinned.
    pub(crate) async fn recipients(
        &self,
        me: &Unlocked,
        to: &[Address],
        keys: usize,
        progress: &dyn Progress,
    ) -> Result<Vec<Checked>> {
        let mut others: Vec<Address> =
            to.iter().filter(|address| *address != me.address()).cloned().collect();
        others.sort();
        others.dedup();
        if to.is_empty() && keys == 0 {
            return Err(Error::NoRecipients);
        }
        if others.len() + keys >= limits::GRANTS_MAX {
            return Err(Error::TooManyRecipients(others.len() + keys));
        }
        let recipients = if others.is_empty() { Vec::new() } else { self.inner.look_up(&others).await? };
        for first in recipients.iter().filter(|checked| checked.contact.first_contact) {
            progress.note(&Note::FirstContact { address: first.contact.address.clone() });
        }
        for checked in &recipients {
            if let Some(due) = checked.contact.reset_due {
                progress.note(&Note::KeysToBeReplaced { address: checked.contact.address.clone(), due });
            }
        }
        Ok(recipients)
    }
}

pub(crate) fn each_once(mut keys: Vec<RsaPublicKey>) -> Vec<RsaPublicKey> {
    keys.sort_by_key(|key| key.recipient_id(None));
    keys.dedup();
    keys
}

impl Job<'_> {
    async fn send(&self, file: Option<SourceFile>, source: Source) -> Result<Sent> {
        match (file, source) {
            (Some(file), _) => Box::pin(self.send_file(&file)).await,
            (None, Source::Stream { reader, .. }) => Box::pin(self.send_stream(reader)).await,
            (None, Source::File(_)) => Err(Error::Internal("a file was not opened")),
        }
    }

    async fn send_file(&self, file: &SourceFile) -> Result<Sent> {
        let digest = self.request_digest(&file.identity)?;
        if let Some(journal) = self.journal_of(&digest).await? {
            match Box::pin(self.resume(file, journal)).await? {
                Tried::Sent(sent) => return Ok(sent),
                Tried::TooLarge | Tried::Gone => {}
            }
        }
        let plan = plan::of_file(file, self.options, self.progress, self.cancel).await?;
        self.fits(plan.shape)?;
        let mut cut = self.first_cut(Some(plan.shape))?;
        loop {
            match Box::pin(self.start(file, &plan, cut, &digest)).await? {
                Tried::Sent(sent) => return Ok(sent),
                Tried::TooLarge => cut = self.smaller(cut, Some(plan.shape))?,
                Tried::Gone => return Err(Error::UploadConflict),
            }
        }
    }

    /// Refuses what the drop box does not take, before anything is sent.
    fn fits(&self, body: BodyShape) -> Result<()> {
        match self.into {
            Some((_, most)) if most > 0 && body.body_len() > most => Err(Error::TooLargeForBox),
            _ => Ok(()),
        }
    }

    /// The part length to begin with.
    fn first_cut(&self, body: Option<BodyShape>) -> Result<PartShape> {
        let fitting = PartShape::fitting(body.map(BodyShape::body_len));
        let Some(wanted) = self.inner.options.part_len else { return Ok(fitting) };
        let wanted = PartShape::from_part_len(wanted).map_err(|_| Error::Internal("no legal part length"))?;
        Ok(if body.is_none_or(|body| wanted.holds(body)) { wanted } else { fitting })
    }

    /// Parts half as long, as long as that is possible.
    fn smaller(&self, cut: PartShape, body: Option<BodyShape>) -> Result<PartShape> {
        let smaller =
            cut.smaller().filter(|cut| body.is_none_or(|body| cut.holds(body))).ok_or(Error::TooLarge)?;
        self.progress.note(&Note::SmallerParts { part_len: smaller.part_bytes() });
        Ok(smaller)
    }

    /// A new upload of a file: new key, new id, new journal.
    async fn start(
        &self,
        file: &SourceFile,
        plan: &Plan,
        cut: PartShape,
        digest: &[u8; 32],
    ) -> Result<Tried> {
        let (fk, file_id) = (FileKey::generate(), format::random::file_id());
        let (suite, root) = self.author.suite();
        let sealer = PayloadSealer::generate(&fk, suite, file_id, root);
        let header = Header {
            file_id,
            request: B64(digest.to_vec()),
            server: self.server()?.origin().to_owned(),
            user_id: self.author.user_id(),
            box_id: self.into.map(|(id, _)| id),
            source: file.identity.clone(),
            name: self.name.as_str().to_owned(),
            to: self.recipients.iter().map(|checked| checked.contact.address.clone()).collect(),
            to_keys: self.key_ids(),
            part_len: cut.part_bytes(),
            body_len: plan.shape.body_len(),
            stored: plan.stored,
            compressed: plan.compressed,
            payload_header: B64(sealer.header().to_vec()),
            sealed_key: B64(self.seal_key(&fk, file_id)?),
            begun: self.inner.now(),
        };
        let journal = Journal::create(&self.inner.home.journals(), header)?;
        let body_len = Some(plan.shape.body_len());
        let begin = Begin { file_id, part_len: cut.part_bytes(), body_len, box_id: self.named_box() };
        let status = match self.begin(&begin).await {
            Ok(status) => status,
            Err(error) if error.is_transient() || matches!(error, Error::Interrupted) => return Err(error),
            Err(error) => {
                journal.remove()?;
                return Err(error);
            }
        };
        self.transfer(file, journal, fk, sealer, &status).await
    }

    /// Goes on with an upload that has a journal.
    async fn resume(&self, file: &SourceFile, journal: Journal) -> Result<Tried> {
        let file_id = journal.header.file_id;
        if let Some(request) = journal.complete().map(<[u8]>::to_vec) {
            // What is signed needs no key any more: if the server has it, it is sent, whoever one is by now.
            return match self.complete(file_id, &request).await {
                Ok(completed) => {
                    let mut sent =
                        self.sent(&journal.header, file.identity.size, &completed, self.parts_of(&journal)?);
                    sent.kept = self.kept_of(&journal.header.sealed_key, &request)?;
                    journal.remove()?;
                    Ok(Tried::Sent(sent))
                }
                // Signed by, or for, keys that were replaced since: nobody will ever take it.
                Err(error) if error.code() == Some(Code::Rejected) => self.begin_anew(journal).await,
                Err(error) => self.gone_or(error, journal),
            };
        }
        let opened = self.open_key(file_id, &journal.header.sealed_key.0).and_then(|fk| {
            let header: &[u8; 74] = journal.header.payload_header.0.as_slice().try_into().ok()?;
            let (suite, root) = self.author.suite();
            let sealer = PayloadSealer::resume(&fk, suite, file_id, root, header).ok()?;
            Some((fk, sealer))
        });
        let Some((fk, sealer)) = opened else {
            return self.begin_anew(journal).await;
        };
        let path = self.upload_path(file_id);
        let status = retrying(self.inner.options.retry_for, self.progress, self.cancel, || {
            self.call::<UploadStatus>(file_id, |server| server.request(Method::GET, &path))
        });
        match status.await {
            Ok(status) => self.transfer(file, journal, fk, sealer, &status).await,
            Err(error) => self.gone_or(error, journal),
        }
    }

    fn parts_of(&self, journal: &Journal) -> Result<u64> {
        let (body, cut) = journal.header.shapes().ok_or(Error::Internal("a journal lost its shape"))?;
        Ok(u64::from(cut.parts(body)))
    }

    /// Gives up an upload that only keys of the past could have finished: its key is sealed under the vault key of
    /// its time, and the root that would have signed it is part of every sealed segment.
    async fn begin_anew(&self, journal: Journal) -> Result<Tried> {
        self.progress.note(&Note::BegunWithOldKeys);
        self.give_up(journal.header.file_id, Some(Box::new(journal))).await?;
        Ok(Tried::Gone)
    }

    fn gone_or(&self, error: Error, journal: Journal) -> Result<Tried> {
        let gone = matches!(&error, Error::NotFound | Error::Expired)
            || matches!(error.code(), Some(Code::UploadEnded | Code::Conflict));
        if gone {
            journal.remove()?;
            return Ok(Tried::Gone);
        }
        Err(error)
    }

    /// Sends what the server does not have, then signs and shares.
    async fn transfer(
        &self,
        file: &SourceFile,
        journal: Journal,
        fk: FileKey,
        sealer: PayloadSealer,
        status: &UploadStatus,
    ) -> Result<Tried> {
        let header = journal.header.clone();
        let (body, cut) = header.shapes().ok_or(Error::Internal("a journal lost its shape"))?;
        let parts = u64::from(cut.parts(body));
        let sealer = Arc::new(sealer);
        let (todo, there) = upload::missing(&journal, body, cut, status);
        if there > 0 {
            self.progress.note(&Note::Resumed { parts: there, of: parts });
        }
        let begun_with: u64 =
            body.body_len() - todo.iter().filter_map(|n| cut.part_len(body, *n)).sum::<u64>();
        let feed = produce::FileFeed::new(file, &header, body, cut)?;
        let producer = produce::Producer::file(feed, Arc::clone(&sealer), journal, todo, self.buffers());
        let outcome =
            upload::run(self, header.file_id, producer, status.direct, begun_with, Some(body.body_len()))
                .await;
        let produced = match outcome {
            Ok(produced) => produced,
            Err(upload::Stopped::TooLarge(journal)) => {
                self.give_up(header.file_id, journal).await?;
                return Ok(Tried::TooLarge);
            }
            Err(upload::Stopped::Failed(error, journal)) => {
                let over = matches!(&error, Error::SourceChanged(_) | Error::NotFound)
                    || matches!(error.code(), Some(Code::UploadEnded | Code::Conflict));
                if over {
                    self.give_up(header.file_id, journal).await?;
                }
                return Err(error);
            }
        };
        let mut journal = produced.journal.ok_or(Error::Internal("the journal was lost on the way"))?;
        if !file.is_unchanged() {
            self.give_up(header.file_id, Some(journal)).await?;
            return Err(Error::SourceChanged(file.identity.path.clone()));
        }
        self.progress.progress(Phase::Finishing, 0, None);
        let body_root =
            envelope::merkle::root(&produced.nodes).ok_or(Error::Internal("a body without parts"))?;
        let request = self.sealed_request(&Sharing {
            fk: &fk,
            file_id: header.file_id,
            payload_header: sealer.header(),
            body,
            body_root,
            original_size: file.identity.size,
            stored_size: header.stored,
            compressed: header.compressed,
            modified_ms: file.modified_ms,
            preview: self.preview_of(file),
        })?;
        journal.record_complete(&request)?;
        match self.complete(header.file_id, &request).await {
            Ok(completed) => {
                journal.remove()?;
                let mut sent = self.sent(&header, file.identity.size, &completed, parts);
                sent.resumed_parts = there;
                sent.kept = self.kept_of(&header.sealed_key, &request)?;
                Ok(Tried::Sent(sent))
            }
            Err(error) if error.is_transient() || matches!(error, Error::Interrupted) => Err(error),
            Err(error) if error.class() == crate::Class::NotSignedIn => Err(error),
            Err(error) => {
                self.give_up(header.file_id, Some(journal)).await?;
                Err(error)
            }
        }
    }

    fn sent(&self, header: &Header, bytes: u64, completed: &proto::Completed, parts: u64) -> Sent {
        Sent {
            file_id: header.file_id,
            name: header.name.clone(),
            bytes,
            stored: header.stored,
            body_len: header.body_len,
            parts,
            resumed_parts: parts,
            received_bytes: completed.received_bytes,
            received_parts: completed.received_parts,
            expires_at: completed.expires_at,
            kept: None,
        }
    }

    async fn begin(&self, begin: &Begin) -> Result<UploadStatus> {
        retrying(self.inner.options.retry_for, self.progress, self.cancel, || {
            self.call(begin.file_id, |server| server.request(Method::POST, &self.begin_path()).json(begin))
        })
        .await
    }

    /// The box as the request names it: a visitor's names it in its path.
    fn named_box(&self) -> Option<BoxId> {
        self.into.map(|(id, _)| id).filter(|_| matches!(self.author, Author::Me(_)))
    }

    /// Abandons an upload here and at the server.
    async fn give_up(&self, file_id: FileId, journal: Option<Box<Journal>>) -> Result<()> {
        if let Some(journal) = journal {
            journal.remove()?;
        }
        // The server forgets it by itself after a week if it cannot be told now.
        drop(self.delete_upload(file_id).await);
        Ok(())
    }

    /// Segment buffers of one transfer: 40 MiB.
    fn buffers(&self) -> usize {
        produce::BUFFERS
    }
}
