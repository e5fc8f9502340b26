//! Writing a blob: one batch fills while the one before it is on its way to the disk.
//!
//! Whole batches that lie right in memory go to the device without a copy into the page cache: sealed parts are
//! large, are synced at once and are seldom read soon, so the copy would cost time and memory and bring nothing.
//! Everything else, and every file system that takes no such writes, is written as usual.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Store, blocking, gone, join};
use crate::{BlobError, BlobName, BlobWriter, DIRECT_ALIGN};

/// Octets that are handed to the disk at once. Two batches exist at a time.
const BATCH_LEN: usize = 1 << 20;

/// Pieces from this length on are written from where they are; shorter ones are copied together first.
const OWN_PIECE: usize = 8 << 10;

/// Octets after which the kernel is asked to start writing.
const WRITEBACK_LEN: u64 = 4 << 20;

pub(super) struct LocalWriter {
    store: Arc<Store>,
    name: BlobName,
    file: Arc<File>,
    /// For batches that lie right for it, while the file system takes them.
    direct: Arc<OnceLock<Option<File>>>,
    temporary: Temporary,
    filling: Batch,
    /// Octets handed to the disk.
    offset: u64,
    /// Octets for which writeback was asked.
    writeback: u64,
    in_flight: Option<JoinHandle<io::Result<()>>>,
    broken: bool,
}

impl LocalWriter {
    /// Blocks.
    pub(super) fn create(store: Arc<Store>, name: BlobName) -> io::Result<Self> {
        let (path, file) = store.create_temporary()?;
        let file = Arc::new(file);
        let temporary = Temporary { store: store.clone(), path: Some(path) };
        let filling = Batch::default();
        Ok(Self {
            store,
            name,
            file,
            direct: Arc::default(),
            temporary,
            filling,
            offset: 0,
            writeback: 0,
            in_flight: None,
            broken: false,
        })
    }

    /// Waits for the batch that is on its way.
    async fn landed(&mut self) -> Result<(), BlobError> {
        if let Some(handle) = &mut self.in_flight {
            let result = join(handle).await;
            self.in_flight = None;
            result?;
        }
        Ok(())
    }

    /// Sends the full batch on its way, after the one before it.
    async fn send_batch(&mut self) -> Result<(), BlobError> {
        self.landed().await?;
        let (pieces, len) = self.filling.take();
        let offset = self.offset;
        self.offset += len;
        let lies_right = offset.is_multiple_of(DIRECT_ALIGN as u64) && pieces.iter().all(lies_right);
        if let Some(path) =
            self.temporary.path.clone().filter(|_| lies_right && self.store.may_write_direct())
        {
            let (store, file, direct) = (self.store.clone(), self.file.clone(), self.direct.clone());
            let work = move || write_direct(&store, &path, &direct, &file, offset, &pieces);
            self.in_flight = Some(spawn_blocking(work));
            return Ok(());
        }
        let mut dirty = None;
        if self.offset - self.writeback >= WRITEBACK_LEN {
            dirty = Some((self.writeback, self.offset - self.writeback));
            self.writeback = self.offset;
        }
        let (store, file) = (self.store.clone(), self.file.clone());
        self.in_flight = Some(spawn_blocking(move || {
            store.disk.write(&file, offset, &pieces)?;
            if let Some((from, len)) = dirty {
                store.disk.start_writeback(&file, from, len);
            }
            Ok(())
        }));
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for LocalWriter {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        // Stays set if this future is dropped or fails on the way: then the order of octets is lost.
        if std::mem::replace(&mut self.broken, true) {
            return Err(BlobError::Broken);
        }
        while !bytes.is_empty() {
            let room = BATCH_LEN - self.filling.len;
            self.filling.push(bytes.split_to(room.min(bytes.len())));
            if self.filling.len == BATCH_LEN {
                self.send_batch().await?;
            }
        }
        self.broken = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), BlobError> {
        if self.broken {
            return Err(BlobError::Broken);
        }
        self.landed().await?;
        // One trip to a blocking thread for the rest; once there, it runs to its end even if nobody waits.
        blocking(move || {
            let Self { store, name, file, direct, mut temporary, mut filling, offset, .. } = *self;
            drop(direct);
            let (pieces, _) = filling.take();
            store.disk.write(&file, offset, &pieces)?;
            store.disk.sync_file(&file)?;
            drop(file);
            let folder = temporary.publish(name)?;
            store.disk.sync_folder(&folder)
        })
        .await
    }
}

/// Writes whole blobs and makes them durable together.
///
/// Everything is written before the first sync: the file system's journal then commits all of them with the first,
/// and the syncs that follow find their work done. The names come last, and each folder is synced once.
pub(super) fn write_all(store: &Arc<Store>, blobs: &[(BlobName, Bytes)]) -> io::Result<()> {
    let mut written = Vec::with_capacity(blobs.len());
    for (name, bytes) in blobs {
        let (path, file) = store.create_temporary()?;
        let temporary = Temporary { store: store.clone(), path: Some(path) };
        store.disk.write(&file, 0, std::slice::from_ref(bytes))?;
        store.disk.start_writeback(&file, 0, bytes.len() as u64);
        written.push((*name, file, temporary));
    }
    for (_, file, _) in &written {
        store.disk.sync_file(file)?;
    }
    let mut folders = BTreeSet::new();
    for (name, _, temporary) in &mut written {
        folders.insert(temporary.publish(*name)?);
    }
    folders.iter().try_for_each(|folder| store.disk.sync_folder(folder))
}

/// Whether a piece can go to the device from where it lies.
fn lies_right(piece: &Bytes) -> bool {
    piece.as_ptr().addr().is_multiple_of(DIRECT_ALIGN) && piece.len().is_multiple_of(DIRECT_ALIGN)
}

/// Writes without a copy into the page cache, or as usual where the file system takes no such writes.
fn write_direct(
    store: &Store,
    path: &Path,
    direct: &OnceLock<Option<File>>,
    file: &File,
    offset: u64,
    pieces: &[Bytes],
) -> io::Result<()> {
    let handle =
        direct.get_or_init(|| store.disk.direct(path).inspect_err(|error| refused(store, error)).ok());
    if let Some(handle) = handle {
        match store.disk.write(handle, offset, pieces) {
            // Some file systems open such a handle and then take nothing through it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => store.no_direct_writes(),
            other => return other,
        }
    }
    store.disk.write(file, offset, pieces)
}

/// Remembers a file system that takes no such writes; a file that was removed says nothing of it.
fn refused(store: &Store, error: &io::Error) {
    if error.kind() != io::ErrorKind::NotFound {
        store.no_direct_writes();
    }
}

/// Octets that are collected for one write.
#[derive(Default)]
struct Batch {
    pieces: Vec<Bytes>,
    /// Short pieces, copied together so that they do not hold larger buffers alive.
    tail: Vec<u8>,
    len: usize,
}

impl Batch {
    fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < OWN_PIECE {
            self.tail.extend_from_slice(&piece);
        } else {
            self.close_tail();
            self.pieces.push(piece);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(std::mem::take(&mut self.tail).into());
        }
    }

    /// Empties the batch: its pieces and their length.
    fn take(&mut self) -> (Vec<Bytes>, u64) {
        self.close_tail();
        let len = std::mem::take(&mut self.len) as u64;
        (std::mem::take(&mut self.pieces), len)
    }
}

/// The file under `tmp`; removed when dropped unless it was published.
struct Temporary {
    store: Arc<Store>,
    path: Option<PathBuf>,
}

impl Temporary {
    /// Gives the file its name, in its folder; that folder is to be synced next.
    fn publish(&mut self, name: BlobName) -> io::Result<PathBuf> {
        let mut published = self.rename(name);
        if published.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // The folder was removed after it was known to be there, or this file was.
            self.store.forget_folder_of(name);
            published = self.rename(name);
        }
        let folder = published.map_err(gone)?;
        self.path = None;
        Ok(folder)
    }

    fn rename(&self, name: BlobName) -> io::Result<PathBuf> {
        let folder = self.store.make_folder_of(name)?;
        if let Some(path) = &self.path {
            self.store.disk.publish(path, &self.store.path(name))?;
        }
        Ok(folder)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = self.store.disk.remove(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(kind = %error.kind(), "a temporary blob could not be removed; the sweep will find it");
        }
    }
}
