//! Folders: the list first, then its members, all or some, each proven to be the one that the list names.

use super::inside::{Root, There};
use super::made::Held;
use super::part::Fetch;
use super::pattern::Pattern;
use super::sink::{Out, check_room};
use super::tickets::Tickets;
use super::tree::Tree;
use super::{OnConflict, Received, Target, Way, fetch};
use crate::client::Inner;
use crate::files::OpenFileInfo;
use crate::http::retrying;
use crate::progress::Notes;
use crate::{Cancel, Error, FileId, Note, Phase, Progress, Result};
use envelope::ed25519::PublicKey;
use envelope::segment::SEGMENT_PLAIN;
use envelope::{ContentId, Manifest, PartShape};
use format::folder::{Folder, LIST_MAX, Member, MemberPath, OpenedMember, open_member, safe_paths};
use format::metadata::Compression;
use format::names::{numbered, safe_file_name};
use futures::stream::{self, StreamExt, TryStreamExt};
use proto::MemberInfo;
use proto::limits::MEMBERS_AT_ONCE;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Small members that are fetched at once; larger ones come one after the other, each in parts side by side.
const AT_ONCE: usize = 8;
/// Copies with numbers that are looked at.
const NUMBERS: u32 = 1_000;

/// What a folder was received as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderReceived {
    /// Files in the folder.
    pub all: u64,
    /// Files that were wanted: all, or those that match.
    pub wanted: u64,
    /// Files that were fetched now.
    pub fetched: u64,
    /// Files that were here already.
    pub there: u64,
    /// Paths that were made safe before they were used.
    pub renamed: u64,
    /// What is in it, where only that was asked for.
    pub list: Vec<InFolder>,
}

/// One file in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFolder {
    /// Its path as sealed by the sender (not to be used as one).
    pub path: String,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Where it goes, and what of it.
struct Wish {
    /// Absent: nowhere, only the list is wanted.
    place: Option<(PathBuf, OnConflict)>,
    only: Vec<Pattern>,
}

impl Wish {
    fn of(target: Target, name: &str) -> Result<Self> {
        let in_folder = |path: PathBuf| path.join(safe_file_name(name));
        let (place, only) = match target {
            Target::Writer(_) => return Err(Error::FolderToOutput),
            Target::List => (None, Vec::new()),
            Target::File { path, overwrite } => {
                let on_conflict = if overwrite { OnConflict::Replace } else { OnConflict::Refuse };
                (Some((path, on_conflict)), Vec::new())
            }
            Target::Directory { path, on_conflict } => (Some((in_folder(path), on_conflict)), Vec::new()),
            Target::Some { path, on_conflict, only } if path.is_dir() => {
                (Some((in_folder(path), on_conflict)), only)
            }
            Target::Some { path, on_conflict, only } => (Some((path, on_conflict)), only),
        };
        Ok(Self { place, only })
    }

    fn takes(&self, path: &MemberPath) -> bool {
        self.only.is_empty() || self.only.iter().any(|pattern| pattern.takes(path.as_str()))
    }
}

/// What stands where the folder is to be.
enum Standing {
    /// Nothing.
    Free(PathBuf),
    /// A folder that it may go into.
    Usable(Root),
}

/// What every member needs.
struct Shared<'a> {
    tickets: Arc<Tickets>,
    root: Arc<Root>,
    /// Who signed the list.
    author: &'a PublicKey,
    on_conflict: OnConflict,
    sum: Sum<'a>,
    cancel: &'a Cancel,
}

/// A member that is wanted, and its safe path.
type Wanted<'f> = (&'f Member, String);

impl Inner {
    pub(super) async fn folder(
        self: &Arc<Self>,
        file: OpenFileInfo,
        way: Way,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Received> {
        let (file_id, content_id) = (file.info.file_id, file.manifest.content_id());
        let name = file.opened.metadata.name.as_str().to_owned();
        let wish = Wish::of(target, &name)?;
        // Before a download is counted.
        let standing = match &wish.place {
            Some((path, on_conflict)) => Some(self.standing(path, *on_conflict, content_id)?),
            None => None,
        };
        let download_id = match way.remembered {
            Some(id) => self.download_id(id).await?,
            None => format::random::file_id().to_string(),
        };
        let Way { server, leave, remembered } = way;
        let tickets = Arc::new(Tickets::new(Arc::clone(self), server, file_id, leave, download_id));
        let author = file.author_key.ok_or(Error::NotAuthentic)?;
        let media_type = file.opened.metadata.media_type.clone();
        let (sender, passed_by) = (file.sender.clone(), file.passed_by.clone());
        let list = self.list(file, &tickets, progress, cancel).await?;
        let folder = Folder::decode(&list).map_err(|_| Error::NotAuthentic)?;
        let all = folder.members().len() as u64;
        let received = |path, bytes, folder| Received {
            file_id,
            name,
            media_type,
            path,
            bytes,
            sender,
            passed_by,
            folder: Some(folder),
        };
        let Some(standing) = standing else {
            let shown =
                |member: &Member| InFolder { path: member.path.as_str().to_owned(), bytes: member.size };
            let list = folder.members().iter().map(shown).collect();
            return Ok(received(
                None,
                folder.size(),
                FolderReceived { all, list, ..FolderReceived::default() },
            ));
        };
        let (wanted, empty, renamed) = chosen(&folder, &wish);
        if wanted.is_empty() && empty.is_empty() && !wish.only.is_empty() {
            return Err(Error::NothingMatches);
        }
        let bytes = wanted.iter().map(|(member, _)| member.size).sum();
        let root = Arc::new(self.root(standing, content_id).await?);
        let shared = Shared {
            tickets,
            root: Arc::clone(&root),
            author: &author,
            on_conflict: wish.place.map_or(OnConflict::Refuse, |(_, on_conflict)| on_conflict),
            sum: Sum { inner: progress, done: AtomicU64::new(0), total: bytes },
            cancel,
        };
        let outcome = self.members(&wanted, &shared).await;
        for folder in &empty {
            root.make_folder(folder)?;
        }
        tokio::task::block_in_place(|| root.sync())?;
        let fetched = outcome?;
        if let Some(id) = remembered.filter(|_| wish.only.is_empty())
            && let Err(error) = self.download_ended(id).await
        {
            tracing::warn!(class = ?error.class(), "a finished download could not be noted");
        }
        let wanted = wanted.len() as u64;
        if wish.only.is_empty() {
            self.was_whole(&root, content_id, Held { files: all, bytes }).await?;
        }
        let outcome =
            FolderReceived { all, wanted, fetched, there: wanted - fetched, renamed, list: Vec::new() };
        Ok(received(Some(root.path().to_path_buf()), bytes, outcome))
    }

    /// Looks at where the folder is to be: a folder that is there is used if it was made for this one, or if a person insists.
    fn standing(
        &self,
        path: &std::path::Path,
        on_conflict: OnConflict,
        content: ContentId,
    ) -> Result<Standing> {
        let name = path.file_name().ok_or_else(|| Error::TargetExists(path.to_path_buf()))?.to_string_lossy();
        let numbers = if on_conflict == OnConflict::KeepBoth { NUMBERS } else { 1 };
        for n in 0..numbers {
            let path = if n == 0 { path.to_path_buf() } else { path.with_file_name(numbered(&name, n)) };
            match std::fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Free(path)),
                Err(error) => return Err(Error::io("read", &path)(error)),
                Ok(_) => {}
            }
            if let Some(root) = Root::open(&path)?
                && (on_conflict == OnConflict::Replace || self.is_made_for(&root, content)?)
            {
                return Ok(Standing::Usable(root));
            }
        }
        Err(Error::TargetExists(path.to_path_buf()))
    }

    async fn root(&self, standing: Standing, content_id: ContentId) -> Result<Root> {
        match standing {
            Standing::Free(path) => {
                let root = Root::make(&path)?.ok_or(Error::TargetExists(path))?;
                self.was_made_for(&root, content_id).await?;
                Ok(root)
            }
            Standing::Usable(root) => {
                root.remove_abandoned();
                Ok(root)
            }
        }
    }

    /// The list, whole and authentic, in memory alone.
    async fn list(
        self: &Arc<Self>,
        file: OpenFileInfo,
        tickets: &Arc<Tickets>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let len = usize::try_from(file.opened.metadata.original_size).ok().filter(|len| *len <= LIST_MAX);
        let kept =
            Kept(Arc::new(Mutex::new(Zeroizing::new(Vec::with_capacity(len.ok_or(Error::NotAuthentic)?)))));
        let OpenFileInfo { info, manifest, opened, .. } = file;
        let one = OpenedMember { opener: opened.opener, metadata: opened.metadata, shape: opened.shape };
        let cut = cut(info.part_len, &one, tickets)?;
        let out = Out::Writer(Box::new(kept.clone()));
        self.one(&manifest, cut, one, out, tickets, (&Notes(progress), cancel)).await?;
        let mut kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *kept))
    }

    /// All that are wanted and not there yet; how many were fetched.
    async fn members(self: &Arc<Self>, wanted: &[Wanted<'_>], shared: &Shared<'_>) -> Result<u64> {
        let mut fetched = 0;
        for some in wanted.chunks(MEMBERS_AT_ONCE) {
            let shown = self.shown(some, shared).await?;
            let mut todo = Vec::new();
            for ((member, safe), info) in some.iter().zip(shown) {
                let manifest =
                    Manifest::parse(info.manifest.0.as_slice()).map_err(|_| Error::NotAuthentic)?;
                let opened =
                    open_member(member, &manifest, shared.author).map_err(|_| Error::NotAuthentic)?;
                // Of all of them before the first is written.
                let cut = cut(info.part_len, &opened, &shared.tickets)?;
                match shared.root.look(safe, member.size, opened.metadata.modified_ms)? {
                    There::Same => shared.sum.add(member.size),
                    There::Other if shared.on_conflict == OnConflict::Refuse => {
                        return Err(Error::TargetExists(shared.root.path().join(safe)));
                    }
                    There::Nothing | There::Other => todo.push((member.size, safe, cut, manifest, opened)),
                }
            }
            fetched += todo.len() as u64;
            let needed = todo.iter().map(|(size, ..)| *size).sum();
            check_room(shared.root.path(), needed)?;
            let (small, large): (Vec<_>, Vec<_>) =
                todo.into_iter().partition(|(size, ..)| *size <= SEGMENT_PLAIN as u64);
            let each = small.into_iter().map(|(size, safe, cut, manifest, opened)| async move {
                let out = Out::Landing(Box::new(shared.root.place(safe, shared.on_conflict)?));
                let watch = (&Notes(shared.sum.inner) as &dyn Progress, shared.cancel);
                self.one(&manifest, cut, opened, out, &shared.tickets, watch).await?;
                shared.sum.add(size);
                Ok::<_, Error>(())
            });
            stream::iter(each).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
            for (size, safe, cut, manifest, opened) in large {
                let out = Out::Landing(Box::new(shared.root.place(safe, shared.on_conflict)?));
                let watch = (&shared.sum as &dyn Progress, shared.cancel);
                self.one(&manifest, cut, opened, out, &shared.tickets, watch).await?;
                shared.sum.add(size);
            }
        }
        Ok(fetched)
    }

    /// What the server shows of some members, in their order: exactly those that were asked for.
    async fn shown(&self, some: &[Wanted<'_>], shared: &Shared<'_>) -> Result<Vec<MemberInfo>> {
        let ids: Vec<FileId> = some.iter().map(|(member, _)| member.file_id).collect();
        let patience = self.options.retry_for;
        let notes = Notes(shared.sum.inner);
        let reply = retrying(patience, &notes, shared.cancel, || shared.tickets.members(&ids)).await?;
        let mut shown: HashMap<FileId, MemberInfo> =
            reply.members.into_iter().map(|member| (member.file_id, member)).collect();
        let there: Vec<MemberInfo> = ids.iter().filter_map(|id| shown.remove(id)).collect();
        if !shown.is_empty() {
            return Err(Error::NotAuthentic);
        }
        match ids.len() - there.len() {
            0 => Ok(there),
            missing => Err(Error::FolderIncomplete(missing as u64)),
        }
    }

    /// Content whose signed parts were checked, to where it goes.
    async fn one(
        self: &Arc<Self>,
        manifest: &Manifest,
        cut: PartShape,
        opened: OpenedMember,
        out: Out,
        tickets: &Arc<Tickets>,
        (progress, cancel): (&dyn Progress, &Cancel),
    ) -> Result<()> {
        let OpenedMember { opener, metadata, shape } = opened;
        let fetch = Fetch {
            inner: Arc::clone(self),
            file_id: manifest.file_id(),
            body: shape,
            cut,
            opener,
            tree: Tree::fetch(self, tickets, manifest, progress, cancel).await?,
            tickets: Arc::clone(tickets),
            stored: metadata.stored_size,
            random_access: match metadata.compression {
                Compression::Gzip => None,
                Compression::None => out.random_access()?,
            },
        };
        Box::pin(fetch::run(fetch, out, &metadata, progress, cancel)).await.map(drop)
    }
}

/// How content is cut into parts, if what the server says of it can be.
fn cut(part_len: u64, opened: &OpenedMember, tickets: &Tickets) -> Result<PartShape> {
    let cut = PartShape::from_part_len(part_len).ok().filter(|cut| cut.holds(opened.shape));
    cut.ok_or_else(|| tickets.server().odd("parts of an impossible length"))
}

/// The members and the empty folders that are wanted under their safe paths, and how many of these differ from the sealed ones.
/// Paths are made safe together, so that each has the same one whatever else is wanted.
fn chosen<'f>(folder: &'f Folder, wish: &Wish) -> (Vec<Wanted<'f>>, Vec<String>, u64) {
    let members = folder.members().iter().map(|member| (&member.path, Some(member)));
    let mut all: Vec<(&MemberPath, Option<&Member>)> =
        members.chain(folder.empty().iter().map(|path| (path, None))).collect();
    all.sort_unstable_by_key(|(path, _)| *path);
    let safe = safe_paths(all.iter().map(|(path, _)| *path));
    let (mut wanted, mut empty, mut renamed) = (Vec::new(), Vec::new(), 0);
    for ((path, member), safe) in all.into_iter().zip(safe) {
        if !wish.takes(path) {
            continue;
        }
        renamed += u64::from(safe != path.as_str());
        match member {
            Some(member) => wanted.push((member, safe)),
            None => empty.push(safe),
        }
    }
    (wanted, empty, renamed)
}

/// Bytes that are kept in memory and erased with it.
#[derive(Clone)]
struct Kept(Arc<Mutex<Zeroizing<Vec<u8>>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // As much as was signed was reserved: what grew would leave keys behind.
        if kept.len() + bytes.len() > kept.capacity() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The progress of all members together.
struct Sum<'a> {
    inner: &'a dyn Progress,
    done: AtomicU64,
    total: u64,
}

impl Sum<'_> {
    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.inner.progress(Phase::Downloading, done, Some(self.total));
    }
}

impl Progress for Sum<'_> {
    fn progress(&self, phase: Phase, done: u64, _total: Option<u64>) {
        // Of one large member; the body is a little longer than the file.
        if phase == Phase::Downloading {
            let done = (self.done.load(Ordering::Relaxed) + done).min(self.total);
            self.inner.progress(phase, done, Some(self.total));
        }
    }

    fn note(&self, note: &Note) {
        self.inner.note(note);
    }
}
