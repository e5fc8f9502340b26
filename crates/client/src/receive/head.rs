//! The head of a container: all but the body, for whoever fetches the parts some other way, such as from IPFS by their CIDs.

use super::Target;
use super::sink::Sink;
use super::tickets::{Leave, Tickets};
use super::tree::Tree;
use crate::container::{ContainerKey, open_head};
use crate::files::OpenFileInfo;
use crate::http::retrying;
use crate::keys::Unlocked;
use crate::opener::Opener;
use crate::{Cancel, Client, Error, FileId, Phase, Progress, Result, Sender};
use envelope::container::Head;
use envelope::merkle::{PAGE_LEAVES, nodes_to_bytes};
use envelope::{Bundle, PartShape};
use format::open::Sharing;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Why a file has no container for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoHead {
    /// Its files are files of their own.
    #[error("it is a folder, whose files are files of their own")]
    Folder,
    /// A container holds what its author gave.
    #[error("it was passed on to you, and a container holds only what its author gave")]
    PassedOn,
    /// What is signed is not by one root any more.
    #[error("keys have been replaced since it was sent")]
    KeysReplaced,
}

/// A head that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedHead {
    /// Of which file.
    pub file_id: FileId,
    /// Name as sealed by the sender (not to be used as a path).
    pub name: String,
    /// Where it is, unless it went into a writer.
    pub path: Option<PathBuf>,
    /// Bytes of the head.
    pub bytes: u64,
    /// Bytes that belong behind it: all parts in order.
    pub body_len: u64,
    /// In how many parts the server has them.
    pub parts: u32,
    /// Who sent it.
    pub sender: Sender,
}

impl Client {
    /// Saves everything of a file's container that stands before its body. What is signed is checked as of a file that is
    /// received, and every leaf is proven. It counts as a download; no receipt is given.
    ///
    /// # Errors
    /// [`Error::NoHead`]; those of [`Client::receive`]. After any of them there is no file.
    pub async fn save_head(
        &self,
        me: &Unlocked,
        file_id: FileId,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<SavedHead> {
        let inner = &self.inner;
        let patience = inner.options.retry_for;
        let ask = || inner.file(Opener::Person(me), file_id);
        let file = retrying(patience, progress, cancel, ask).await?;
        let head = head_of(me, &file)?;
        inner.pin_all(&file.judged).await?;
        file.note_first_contacts(progress);
        let body = file.opened.shape;
        let server = inner.server()?;
        let cut = PartShape::from_part_len(file.info.part_len).ok().filter(|cut| cut.holds(body));
        let cut = cut.ok_or(server.odd("parts of an impossible length"))?;
        let sink = Sink::nameless(target)?;
        let (download, leave) = (inner.download_id(file_id).await?, Leave::Grant(file.recipient));
        let tickets = Tickets::new(Arc::clone(inner), server, file_id, leave, download);
        retrying(patience, progress, cancel, || tickets.take()).await?;
        let tree = Tree::fetch(inner, &tickets, &file.manifest, progress, cancel).await?;
        let leaves = Leaves { tree, tickets, segments: body.segments() };
        let path = match sink {
            Sink::Writer(out) => {
                leaves.write(&head, BufWriter::new(out), Error::Output, progress, cancel).await?;
                None
            }
            Sink::File(sink) => {
                let failed = Error::io("write", sink.path());
                leaves.write(&head, BufWriter::new(sink.handle()?), failed, progress, cancel).await?;
                Some(tokio::task::block_in_place(|| sink.finish(inner.now().saturating_mul(1_000)))?)
            }
        };
        if let Err(error) = inner.download_ended(file_id).await {
            // The head is here, which is what counts.
            tracing::warn!(class = ?error.class(), "a finished download could not be noted");
        }
        Ok(SavedHead {
            file_id,
            name: file.opened.metadata.name.as_str().to_owned(),
            path,
            bytes: head.encoded_len() + body.segments() * 32,
            body_len: body.body_len(),
            parts: cut.parts(body),
            sender: file.sender,
        })
    }
}

/// The head of a file's container for its reader. It is read back and opened as `open_container` will: what does not open
/// is not saved.
fn head_of(me: &Unlocked, file: &OpenFileInfo) -> Result<Head> {
    if file.is_folder() {
        return Err(Error::NoHead(NoHead::Folder));
    }
    match file.opened.sharing {
        Sharing::ByAuthor(_) | Sharing::Anonymous => {}
        Sharing::PassedOn { .. } => return Err(Error::NoHead(NoHead::PassedOn)),
        // Wrapped again after somebody's keys were replaced: not by the author's root, which a container knows alone.
        _ => return Err(Error::NoHead(NoHead::KeysReplaced)),
    }
    let author = match file.author_key {
        None => None,
        Some(_) => {
            Some(Bundle::parse(file.info.author_bundle.0.as_slice()).map_err(|_| Error::NotAuthentic)?)
        }
    };
    if author.as_ref().is_some_and(|author| author.root_id() != file.manifest.author_root_id()) {
        return Err(Error::NoHead(NoHead::KeysReplaced));
    }
    let head = Head::new(file.manifest.clone(), author, vec![file.grant.clone()]);
    let head = head.map_err(|_| Error::NotAuthentic)?;
    let mut bytes = Vec::new();
    head.write(&mut bytes).map_err(|_| Error::Internal("a head does not fit its form"))?;
    let read = Head::read(&mut bytes.as_slice(), |_| true).map_err(|_| Error::NotAuthentic)?;
    open_head(ContainerKey::Person(me), &read)?;
    Ok(head)
}

/// The proven leaves of a body, a page at a time.
struct Leaves {
    tree: Tree,
    tickets: Tickets,
    segments: u64,
}

impl Leaves {
    /// Writes the head and the leaves behind it.
    async fn write(
        &self,
        head: &Head,
        mut out: impl Write,
        failed: impl FnOnce(std::io::Error) -> Error,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<()> {
        let total = self.segments * 32;
        let mut written = head.write(&mut out);
        let mut at = 0;
        while at < self.segments && written.is_ok() {
            let patience = self.tickets.patience();
            let page = retrying(patience, progress, cancel, || self.tree.page_of(at, &self.tickets)).await?;
            let bytes = nodes_to_bytes(&page.1);
            written = tokio::task::block_in_place(|| out.write_all(&bytes));
            at += PAGE_LEAVES as u64;
            progress.progress(Phase::Downloading, (at * 32).min(total), Some(total));
        }
        written.and_then(|()| tokio::task::block_in_place(|| out.flush())).map_err(failed)
    }
}
