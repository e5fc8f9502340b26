//! Receiving: check the signatures, fetch in parts, open what is proven, rename at the end.

mod fetch;
mod folder;
mod head;
mod inside;
mod made;
pub(crate) mod many;
mod ordered;
mod part;
mod pattern;
pub(crate) mod sink;
mod tickets;
mod tree;

use crate::client::Inner;
use crate::files::OpenFileInfo;
use crate::http::Server;
use crate::keys::Unlocked;
use crate::links::Visit;
use crate::opener::Opener;
use crate::receipts::Opening;
use crate::{Cancel, Client, FileId, Phase, Progress, Result, RsaPrivateKey, Sender};
use envelope::PartShape;
pub use folder::{FolderReceived, InFolder};
use format::metadata::Compression;
pub use head::{NoHead, SavedHead};
pub use many::{OnReceived, ReceiveAll};
use part::Fetch;
pub use pattern::Pattern;
use sink::{Out, Sink};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use tickets::{Leave, Tickets};
use tree::Tree;

/// Where the file goes.
pub enum Target {
    /// To this path.
    File {
        /// Path of the file; its folder must exist.
        path: PathBuf,
        /// Whether an existing file may be replaced.
        overwrite: bool,
    },
    /// Into this folder, under the sealed name made safe.
    Directory {
        /// The folder.
        path: PathBuf,
        /// What to do when the name is taken.
        on_conflict: OnConflict,
    },
    /// Of a folder: only what one of these patterns takes, as to [`Target::Directory`] if the path is a folder, else as to
    /// [`Target::File`]. No patterns: all.
    Some {
        /// The folder, or where it is to be.
        path: PathBuf,
        /// What to do when a name is taken.
        on_conflict: OnConflict,
        /// What is wanted.
        only: Vec<Pattern>,
    },
    /// Of a folder: nothing but what is in it.
    List,
    /// In order into a writer (a pipe). Every byte is authenticated before it is written, but that the file is
    /// whole is known only at the end: an error means that what was written must not be used.
    Writer(Box<dyn Write + Send>),
}

impl Target {
    /// Into this folder, refusing to replace anything.
    #[must_use]
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::Directory { path: path.into(), on_conflict: OnConflict::Refuse }
    }

    /// To this path, refusing to replace anything.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), overwrite: false }
    }
}

/// What to do when a name is taken in the folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// [`crate::Error::TargetExists`].
    #[default]
    Refuse,
    /// `name (1).ext`, `name (2).ext` …
    KeepBoth,
    /// Replace it.
    Replace,
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its id.
    pub file_id: FileId,
    /// Name as sealed by the sender (not to be used as a path).
    pub name: String,
    /// Media type as sealed by the sender; empty if unknown.
    pub media_type: String,
    /// Where it is, unless it went into a writer.
    pub path: Option<PathBuf>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Who sent it.
    pub sender: Sender,
    /// Who passed it on, by their signature; absent: the sender gave it.
    pub passed_by: Option<Sender>,
    /// Of a folder.
    pub folder: Option<FolderReceived>,
}

impl Client {
    /// Fetches, checks and opens. Nothing that does not verify is ever released; a file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`] for everything that does not verify; [`Error::NotFound`], [`Error::Expired`],
    /// [`Error::DownloadsUsed`]; the `Identity…` errors for a sender with other keys; [`Error::TargetExists`] and
    /// the like for the target. After any of them there is no file and no temporary file.
    pub async fn receive(
        &self,
        me: &Unlocked,
        file_id: FileId,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Received> {
        self.receive_as(Opener::Person(me), file_id, target, progress, cancel).await
    }

    /// The same with an RSA key that stands alone: whoever is signed in and has the key may fetch, without keys of
    /// their own. The author is pinned at first use all the same.
    ///
    /// # Errors
    /// As [`Client::receive`]; [`crate::Error::NotFound`] also for a file that was not sent to this key.
    pub async fn receive_with_key(
        &self,
        file_id: FileId,
        key: &RsaPrivateKey,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Received> {
        self.receive_as(Opener::Key(key), file_id, target, progress, cancel).await
    }

    async fn receive_as(
        &self,
        opener: Opener<'_>,
        file_id: FileId,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Received> {
        let inner = &self.inner;
        let patience = inner.options.retry_for;
        let file = crate::http::retrying(patience, progress, cancel, || inner.file(opener, file_id)).await?;
        inner.pin_all(&file.judged).await?;
        file.note_first_contacts(progress);
        // Whoever looks at a list has opened nothing of it yet.
        let opening = Opening::of(&file).filter(|_| !matches!(target, Target::List));
        let received = inner.fetch(file, target, progress, cancel).await?;
        if let (Opener::Person(me), Some(opening)) = (opener, opening) {
            inner.give_receipt(me, opening).await;
        }
        Ok(received)
    }
}

/// How the content of a file is come by.
struct Way {
    server: Server,
    leave: Leave,
    /// Under what its download id is kept until the file is here; absent: not at all.
    remembered: Option<FileId>,
}

impl Inner {
    /// Fetches the content of a file whose signed parts were checked.
    async fn fetch(
        self: &Arc<Self>,
        file: OpenFileInfo,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Received> {
        // One request fetches a single segment: there is nothing to go on with, unless downloads are counted.
        let remembered =
            file.opened.shape.segments() > 1 || file.info.max_downloads.is_some() || file.is_folder();
        let way = Way {
            server: self.server()?,
            leave: Leave::Grant(file.recipient),
            remembered: remembered.then_some(file.info.file_id),
        };
        self.fetch_by(file, way, target, progress, cancel).await
    }

    /// The same of a file behind a link.
    pub(crate) async fn fetch_behind(
        self: &Arc<Self>,
        file: OpenFileInfo,
        visit: Arc<Visit>,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Received> {
        let (server, remembered) = (visit.server.clone(), Some(visit.remembered_as()));
        let way = Way { server, leave: Leave::Link(visit), remembered };
        self.fetch_by(file, way, target, progress, cancel).await
    }

    async fn fetch_by(
        self: &Arc<Self>,
        file: OpenFileInfo,
        way: Way,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Received> {
        if file.is_folder() {
            return Box::pin(self.folder(file, way, target, progress, cancel)).await;
        }
        let (inner, file_id) = (self, file.info.file_id);
        let (metadata, body) = (file.opened.metadata, file.opened.shape);
        let cut = PartShape::from_part_len(file.info.part_len).ok().filter(|cut| cut.holds(body));
        let cut = cut.ok_or(way.server.odd("parts of an impossible length"))?;
        let compressed = metadata.compression == Compression::Gzip;
        let out = Out::from(Sink::prepare(target, &metadata)?);
        let download_id = match way.remembered {
            Some(id) => inner.download_id(id).await?,
            None => format::random::file_id().to_string(),
        };
        let tickets = Arc::new(Tickets::new(Arc::clone(inner), way.server, file_id, way.leave, download_id));
        let tree = Tree::fetch(inner, &tickets, &file.manifest, progress, cancel).await?;
        let fetch = Fetch {
            inner: Arc::clone(inner),
            file_id,
            body,
            cut,
            opener: file.opened.opener,
            tree,
            tickets,
            stored: metadata.stored_size,
            random_access: if compressed { None } else { out.random_access()? },
        };
        let path = Box::pin(fetch::run(fetch, out, &metadata, progress, cancel)).await?;
        progress.progress(Phase::Finishing, metadata.original_size, Some(metadata.original_size));
        if let Some(id) = way.remembered
            && let Err(error) = inner.download_ended(id).await
        {
            // The file is here, which is what counts; the next download of it within a day is not counted.
            tracing::warn!(class = ?error.class(), "a finished download could not be noted");
        }
        Ok(Received {
            file_id,
            name: metadata.name.as_str().to_owned(),
            media_type: metadata.media_type,
            path,
            bytes: metadata.original_size,
            sender: file.sender,
            passed_by: file.passed_by,
            folder: None,
        })
    }
}
