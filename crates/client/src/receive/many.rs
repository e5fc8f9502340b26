//! Everything that others sent, page by page into a folder, several files at once.

use super::sink::is_there;
use super::{OnConflict, Received, Target};
use crate::client::Inner;
use crate::files::{FilePaging, OpenFileInfo, Trust};
use crate::keys::Unlocked;
use crate::opener::Opener;
use crate::receipts::Opening;
use crate::seen::Seen;
use crate::{Address, Cancel, Class, Client, Error, FileId, Note, Phase, Progress, Result};
use format::names::safe_file_name;
use futures::stream::{self, StreamExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Files of a page that are fetched at once.
const AT_ONCE: usize = 8;
/// Rows asked for at once.
const ROWS: u32 = 200;

/// What to fetch, and where to.
pub struct ReceiveAll {
    /// Only what this person sent.
    pub from: Option<Address>,
    /// The folder.
    pub folder: PathBuf,
    /// What to do when a name is taken by another file.
    pub on_conflict: OnConflict,
}

/// Hears of each file: received (`None`: it was there already, of the same name, size and time), or why it was not.
/// A file that does not verify, has ended or whose name is taken does not stop the others.
pub type OnReceived<'a> = &'a mut (dyn FnMut(FileId, Result<Option<Received>>) + Send);

impl Client {
    /// Fetches every file that others sent and that is still there, newest first. The same command again fetches
    /// what is not there yet.
    ///
    /// # Errors
    /// What stops everything: the network for longer than retries last, a full disk, [`Error::Interrupted`].
    pub async fn receive_all(
        &self,
        me: &Unlocked,
        request: &ReceiveAll,
        progress: &dyn Progress,
        cancel: &Cancel,
        on_received: OnReceived<'_>,
    ) -> Result<()> {
        let sum = Sum { inner: progress, done: AtomicU64::new(0) };
        let mut paging = FilePaging { limit: Some(ROWS), ..FilePaging::default() };
        loop {
            let (files, next) = self.inner.page(me, paging, &sum, cancel, on_received).await?;
            let from = request.from.as_ref();
            let wanted = files.into_iter().filter(|file| {
                file.sender.trust != Trust::Own && (from.is_none() || file.sender.address.as_ref() == from)
            });
            let given = self.inner.receipts_given().await;
            let each = wanted.map(|file| {
                let (inner, sum) = (&self.inner, &sum);
                let opening = Opening::of(&file).filter(|opening| !given.contains(opening.file_id));
                async move {
                    let file_id = file.info.file_id;
                    let outcome = inner.one_of_many(file, request, sum, cancel).await;
                    let receipt = match (&outcome, opening) {
                        (Ok(Some(_)), Some(opening)) => inner.send_receipt(me, opening).await,
                        _ => None,
                    };
                    (file_id, outcome, receipt)
                }
            });
            let mut under_way = stream::iter(each).buffer_unordered(AT_ONCE);
            let mut receipts = Vec::new();
            let mut stopped = None;
            while let Some((file_id, outcome, receipt)) = under_way.next().await {
                receipts.extend(receipt);
                match outcome {
                    Err(error) if stops_all(&error) => {
                        stopped = Some(error);
                        break;
                    }
                    outcome => on_received(file_id, outcome),
                }
            }
            drop(under_way);
            self.inner.note_receipts(&receipts).await;
            if let Some(error) = stopped {
                return Err(error);
            }
            let Some(after) = next else { return Ok(()) };
            paging = FilePaging { after: Some(after), limit: Some(ROWS), into_box: None };
        }
    }
}

/// Whether the next file would meet the same fate.
pub(crate) fn stops_all(error: &Error) -> bool {
    match error {
        // The size is what its sender says. A disk that is full in truth fails by its own error.
        Error::TargetExists(_) | Error::TargetIsDirectory(_) | Error::NoRoom { .. } => false,
        error => {
            !matches!(error.class(), Class::Authentication | Class::Identity | Class::NotFound | Class::Gone)
        }
    }
}

impl Inner {
    /// A page of files whose signed parts are authentic, their authors pinned; the others are told of.
    async fn page(
        self: &Arc<Self>,
        me: &Unlocked,
        paging: FilePaging,
        progress: &dyn Progress,
        cancel: &Cancel,
        on_received: OnReceived<'_>,
    ) -> Result<(Vec<OpenFileInfo>, Option<String>)> {
        let patience = self.options.retry_for;
        let page =
            crate::http::retrying(patience, progress, cancel, || self.list_page(paging.clone())).await?;
        let mut seen = Seen::load(&self.home)?;
        let mut files = Vec::with_capacity(page.files.len());
        for info in page.files {
            let file_id = info.file_id;
            match self.open_info(Opener::Person(me), info, None, true).await {
                Ok(file) if seen.accept(&file.manifest) => {
                    self.pin_all(&file.judged).await?;
                    file.note_first_contacts(progress);
                    files.push(file);
                }
                Ok(_) => on_received(file_id, Err(Error::NotAuthentic)),
                Err(error) if stops_all(&error) => return Err(error),
                Err(error) => on_received(file_id, Err(error)),
            }
        }
        self.remember(&seen).await?;
        Ok((files, page.next))
    }

    async fn one_of_many(
        self: &Arc<Self>,
        file: OpenFileInfo,
        request: &ReceiveAll,
        progress: &Sum<'_>,
        cancel: &Cancel,
    ) -> Result<Option<Received>> {
        let metadata = &file.opened.metadata;
        let bytes = metadata.original_size;
        let there = request.on_conflict != OnConflict::Replace
            && if file.is_folder() {
                let path = request.folder.join(safe_file_name(metadata.name.as_str()));
                self.is_here_whole(&path, file.manifest.content_id())?
            } else {
                is_there(&request.folder, metadata, request.on_conflict)
            };
        let outcome = if there {
            Ok(None)
        } else {
            let target = Target::Directory { path: request.folder.clone(), on_conflict: request.on_conflict };
            let received = self.fetch(file, target, progress, cancel).await;
            // Of a folder that was here already nothing was fetched.
            let is_news = |received: &Received| {
                received.folder.as_ref().is_none_or(|folder| folder.fetched > 0 || folder.there == 0)
            };
            received.map(|received| Some(received).filter(is_news))
        };
        progress.add(bytes);
        outcome
    }
}

/// The progress of all files together.
struct Sum<'a> {
    inner: &'a dyn Progress,
    done: AtomicU64,
}

impl Sum<'_> {
    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.inner.progress(Phase::Downloading, done, None);
    }
}

impl Progress for Sum<'_> {
    fn progress(&self, _phase: Phase, _done: u64, _total: Option<u64>) {}

    fn note(&self, note: &Note) {
        self.inner.note(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_a_sender_claims_stops_no_file_of_anybody_else() {
        let claimed = Error::NoRoom { path: "here".into(), needed: 1 << 44, available: 1 << 30 };
        assert!(!stops_all(&claimed));
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert!(stops_all(&Error::io("write", "here")(full)), "a disk that is full in truth");
    }
}
