//! A folder, or files that go together: members first, each once, then the list that holds their keys, granted as one.

use super::journal::SourceIdentity;
use super::ledger::{Last, Ledger};
use super::many::Run;
use super::request::{Limits, Terms, check_limits};
use super::tree::{self, Skipped, Tree};
use super::way::Author;
use super::{Compress, Job, Kind, Sent, each_once};
use crate::keys::Unlocked;
use crate::progress::Notes;
use crate::{Address, Cancel, Client, Error, FileId, Note, Progress, Result, RsaPublicKey};
use format::FileName;
use format::folder::{Folder, Member, MemberPath};
use proto::{B64, Code};
use std::io::Cursor;
use std::path::PathBuf;
use std::time::Duration;

/// What is to go as one folder.
pub struct SendFolder {
    /// One folder, whose content it is; or several files and folders, which stand in it side by side.
    pub sources: Vec<PathBuf>,
    /// What the recipients see as its name; absent: that of the folder, or how many files there are.
    pub name: Option<String>,
    /// As in [`super::SendRequest`].
    pub to: Vec<Address>,
    /// As in [`super::SendRequest`].
    pub to_keys: Vec<RsaPublicKey>,
    /// How long it lives, with all that is in it.
    pub expires_in: Duration,
    /// Downloads by others before it closes, the whole counted as one.
    pub max_downloads: Option<u32>,
    /// Compression of the files in it.
    pub compress: Compress,
    /// Whether to hide the exact sizes.
    pub padded: bool,
}

/// A folder that was sent.
#[derive(Clone, Debug)]
pub struct SentFolder {
    /// Of the list: id, name as sealed, when it ends.
    pub list: Sent,
    /// Files in it.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Files that an earlier try had sent.
    pub there: u64,
    /// Sealed bytes of all that the server received for it, the list included.
    pub received_bytes: u64,
    /// What was left out.
    pub skipped: Vec<Skipped>,
}

impl Client {
    /// Seals and sends a folder. The same request again, after whatever interrupted it, sends only what the server did not
    /// acknowledge. Nobody sees anything of it before all of it is there.
    ///
    /// # Errors
    /// As [`Client::send`]; [`Error::Folder`] if its names cannot stand in one folder, [`Error::NotUnicode`],
    /// [`Error::NothingToSend`].
    pub async fn send_folder(
        &self,
        me: &Unlocked,
        request: SendFolder,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<SentFolder> {
        let SendFolder { sources, name, to, to_keys, expires_in, max_downloads, compress, padded } = request;
        // Nobody sees the members before they fetch them.
        let preview = false;
        let options = check_limits(&Terms { expires_in, max_downloads, compress, padded, preview })?;
        let keys = &each_once(to_keys)[..];
        let tree = tokio::task::block_in_place(|| tree::walk(&sources, cancel))?;
        if tree.files.is_empty() && tree.empty.is_empty() {
            return Err(Error::NothingToSend);
        }
        let name = match name {
            Some(name) => FileName::parse(&name),
            None => FileName::parse(&tree.name),
        };
        let name = name.map_err(|_| Error::BadName("1 to 255 bytes, without / and \\"))?;
        let recipients = &self.recipients(me, &to, keys.len(), progress).await?[..];
        let inner = &self.inner;
        let job = Job {
            inner,
            author: Author::Me(me),
            into: None,
            name,
            recipients,
            keys,
            options: &options,
            progress,
            cancel,
            kind: Kind::Member,
        };
        let mut ledger = Ledger::open(&inner.home, &job.many_digest()?)?;
        let mut tried = false;
        loop {
            match job.folder(&tree, ledger).await {
                // A member that waited for too long, or that another folder took: all of them once more.
                Err(error) if error.code() == Some(Code::MembersMissing) && !tried => {
                    tried = true;
                    progress.note(&Note::MembersGone);
                    ledger = Ledger::open(&inner.home, &job.many_digest()?)?;
                    ledger.forget()?;
                }
                outcome => return outcome,
            }
        }
    }
}

impl Job<'_> {
    async fn folder(&self, tree: &Tree, mut ledger: Ledger<'_>) -> Result<SentFolder> {
        let digest = tree.digest()?;
        let sources: Vec<SourceIdentity> = tree.files.iter().map(|(_, source)| source.clone()).collect();
        if let Some(last) = ledger.last.take().filter(|last| last.tree.0 == digest) {
            match self.complete(last.sent.file_id, &last.request.0).await {
                Ok(completed) => {
                    let mut sent = last.outcome(&tree.skipped);
                    sent.list.expires_at = completed.expires_at;
                    ledger.finish(&sources)?;
                    return Ok(sent);
                }
                Err(error) if error.is_transient() || matches!(error, Error::Interrupted) => {
                    return Err(error);
                }
                // It never came to be; its members wait still, or are sent again.
                Err(Error::NotFound | Error::Expired) => {}
                Err(error)
                    if matches!(error.code(), Some(Code::UploadEnded | Code::Rejected | Code::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
        let mut sent: Vec<Option<Sent>> = vec![None; sources.len()];
        let mut on_sent = |nth: usize, one: Sent| sent[nth] = Some(one);
        let mut run = Run::new(self.clone(), ledger, &mut on_sent, &sources);
        run.all(&sources).await?;
        let ledger = run.into_ledger();
        let sent = sent.into_iter().collect::<Option<Vec<Sent>>>();
        let sent = sent.ok_or(Error::Internal("a member was not sent and nobody said so"))?;
        self.list(tree, &sources, &sent, ledger, digest).await
    }

    /// Sends the list of members, and with it the folder.
    async fn list(
        &self,
        tree: &Tree,
        sources: &[SourceIdentity],
        sent: &[Sent],
        ledger: Ledger<'_>,
        digest: [u8; 32],
    ) -> Result<SentFolder> {
        let members = tree.files.iter().zip(sent).map(|((path, _), sent)| self.member(path, sent));
        let folder =
            Folder::new(members.collect::<Result<Vec<_>>>()?, tree.empty.clone()).map_err(Error::Folder)?;
        let mut ids: Vec<FileId> = sent.iter().map(|sent| sent.file_id).collect();
        ids.sort_unstable();
        let ids: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        // Keys and ids do not compress.
        let options = Limits { compress: Compress::Never, ..*self.options };
        let quiet = Notes(self.progress);
        let job = Job { kind: Kind::Folder(&ids), options: &options, progress: &quiet, ..self.clone() };
        let (list, request) = job.stream_up(Box::new(Cursor::new(folder.encode()))).await?;
        let last = Last {
            tree: B64(digest.to_vec()),
            files: sent.len() as u64,
            bytes: folder.size(),
            there: sent.iter().filter(|sent| sent.resumed_parts == sent.parts).count() as u64,
            received_bytes: sent.iter().map(|sent| sent.received_bytes).sum(),
            sent: list,
            request: B64(request),
        };
        ledger.begin_last(&last)?;
        let completed = match job.complete(last.sent.file_id, &last.request.0).await {
            Ok(completed) => completed,
            Err(error) => {
                if !error.is_transient() && !matches!(error, Error::Interrupted) {
                    drop(self.inner.delete_upload(last.sent.file_id).await);
                }
                return Err(error);
            }
        };
        let mut outcome = last.outcome(&tree.skipped);
        outcome.list.expires_at = completed.expires_at;
        outcome.list.received_bytes = completed.received_bytes;
        outcome.received_bytes += completed.received_bytes;
        ledger.finish(sources)?;
        Ok(outcome)
    }

    fn member(&self, path: &MemberPath, sent: &Sent) -> Result<Member> {
        let lost = Error::Internal("the key of a member was lost");
        let kept = sent.kept.as_ref().ok_or(Error::Internal("the key of a member was not kept"))?;
        Ok(Member {
            path: path.clone(),
            file_id: sent.file_id,
            fk: self.open_key(sent.file_id, &kept.sealed_key.0).ok_or(lost)?,
            content_id: kept.content_id,
            size: sent.bytes,
            min_revision: 1,
        })
    }
}

impl Last {
    fn outcome(&self, skipped: &[Skipped]) -> SentFolder {
        SentFolder {
            list: self.sent.clone(),
            files: self.files,
            bytes: self.bytes,
            there: self.there,
            received_bytes: self.received_bytes,
            skipped: skipped.to_vec(),
        }
    }
}
