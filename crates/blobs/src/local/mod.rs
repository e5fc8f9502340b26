//! A folder of one machine: durable when acknowledged.
//!
//! ```text
//! ROOT/tmp/<random>        being written, mode 0600
//! ROOT/ab/ab01…ef          committed; the folder is the first two digits of the name
//! ```
//! A commit is: write, sync the file, make its folder durable if it is new, rename without replacing, sync the
//! folder. Whatever a power loss interrupts is under `tmp` or whole.
//!
//! If the folders are removed while the store is in use, the next write or health check makes them anew and says so in
//! the log; what they held is gone from here. Only on the file system on which the store was opened: one that is not
//! mounted any more is never mistaken for an empty store.

mod disk;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health, ListedBlob};
use disk::{Disk, RealDisk};
use writer::LocalWriter;

/// Entries that a listing reads ahead of its consumer.
const LIST_AHEAD: usize = 256;

/// Blobs in a folder of this machine. Folders are made with mode 0700, files with 0600.
pub struct LocalBlobs {
    store: Arc<Store>,
}

/// What the store's methods, writers and blocking threads share.
struct Store {
    root: PathBuf,
    disk: Box<dyn Disk>,
    /// Which of the 256 folders are known to be there and durable.
    folders: Vec<AtomicBool>,
    /// Whether the file system takes writes past the page cache, as far as is known.
    direct: AtomicBool,
    /// The file system on which the store was opened; none if it was opened to be read alone.
    device: OnceLock<u64>,
}

impl LocalBlobs {
    /// Opens the store in `root`, making the folder (and its parents) if it is missing.
    ///
    /// # Errors
    /// The folder cannot be made or is not writable.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        Self::open_on(root.into(), Box::new(RealDisk)).await
    }

    /// The store in `root`, which is to be read alone and may lie where nothing can be written: nothing is made, and
    /// whatever would write fails.
    pub fn open_to_read(root: impl Into<PathBuf>) -> Self {
        Self::on(root.into(), Box::new(RealDisk))
    }

    fn on(root: PathBuf, disk: Box<dyn Disk>) -> Self {
        let folders = (0..256).map(|_| AtomicBool::new(false)).collect();
        let (direct, device) = (AtomicBool::new(true), OnceLock::new());
        Self { store: Arc::new(Store { root, disk, folders, direct, device }) }
    }

    async fn open_on(root: PathBuf, disk: Box<dyn Disk>) -> Result<Self, BlobError> {
        let blobs = Self::on(root, disk);
        let opened = blobs.store.clone();
        blocking(move || opened.open()).await?;
        Ok(blobs)
    }
}

#[async_trait]
impl Blobs for LocalBlobs {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        let store = self.store.clone();
        let writer = blocking(move || LocalWriter::create(store, name)).await?;
        Ok(Box::new(writer))
    }

    async fn put_all(&self, blobs: Vec<(BlobName, Bytes)>) -> Result<(), BlobError> {
        let store = self.store.clone();
        blocking(move || writer::write_all(&store, &blobs)).await
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        reader::read(self.store.path(name), range).await
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        let path = self.store.path(name);
        blocking(move || match std::fs::metadata(path) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        let store = self.store.clone();
        blocking(move || match store.disk.remove(&store.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
        .await
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        let (sender, receiver) = mpsc::channel(LIST_AHEAD);
        let store = self.store.clone();
        spawn_blocking(move || {
            if let Err(error) = store.list(&sender) {
                // A consumer that went away does not want the error either.
                let _ = sender.blocking_send(Err(error.into()));
            }
        });
        Ok(stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) })
            .boxed())
    }

    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
        let store = self.store.clone();
        blocking(move || store.sweep_temporary(older_than)).await
    }

    async fn health(&self) -> Result<Health, BlobError> {
        let store = self.store.clone();
        blocking(move || {
            let (probe, file) = store.create_temporary()?;
            drop(file);
            store.disk.remove(&probe)?;
            let room = rustix::fs::statvfs(&store.root)?;
            Ok(Health { free_bytes: Some(room.f_bavail.saturating_mul(room.f_frsize)) })
        })
        .await
    }
}

impl Store {
    fn path(&self, name: BlobName) -> PathBuf {
        let text = name.to_string();
        self.folder(name).join(text)
    }

    fn folder(&self, name: BlobName) -> PathBuf {
        self.root.join(format!("{:02x}", name.as_bytes()[0]))
    }

    fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// A path that no other writer has, in the same file system as the blobs.
    fn temporary(&self) -> PathBuf {
        self.tmp().join(BlobName::generate().to_string())
    }

    /// A new file under `tmp`, made anew with its folders if somebody removed them.
    fn create_temporary(&self) -> io::Result<(PathBuf, File)> {
        let path = self.temporary();
        let file = match self.disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.heal()?;
                self.disk.create(&path)
            }
            other => other,
        };
        Ok((path, file.map_err(gone)?))
    }

    fn open(&self) -> io::Result<()> {
        self.make_root()?;
        // Set once: a store is opened once.
        let _ = self.device.set(std::fs::metadata(&self.root)?.dev());
        Ok(())
    }

    /// Makes the folders anew that were removed while the store was in use.
    fn heal(&self) -> io::Result<()> {
        let nearest = self.root.ancestors().find_map(|path| std::fs::metadata(path).ok());
        // A relative root has the working folder behind its last ancestor, which is empty.
        let nearest = nearest.map_or_else(|| std::fs::metadata("."), Ok)?;
        if self.device.get() != Some(&nearest.dev()) {
            return Err(io::Error::other("the file system of the blobs is not there"));
        }
        self.folders.iter().for_each(|durable| durable.store(false, Ordering::Release));
        self.make_root()?;
        tracing::error!(
            "the folder of the blobs was removed and is made anew: what it held is not there any more"
        );
        Ok(())
    }

    fn make_root(&self) -> io::Result<()> {
        let missing: Vec<&Path> = self.root.ancestors().take_while(|path| !path.exists()).collect();
        for folder in missing.into_iter().rev() {
            if folder.as_os_str().is_empty() {
                continue;
            }
            self.disk.make_folder(folder)?;
            match folder.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => self.disk.sync_folder(parent)?,
                _ => self.disk.sync_folder(Path::new("."))?,
            }
        }
        // Also of a root that was there: whoever made it may have died before its name was durable.
        if let Some(parent) = self.root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            match self.disk.sync_folder(parent) {
                // A parent that this account may not read was not made by it.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                synced => synced?,
            }
        }
        self.disk.make_folder(&self.tmp())?;
        self.disk.sync_folder(&self.root)
    }

    fn may_write_direct(&self) -> bool {
        self.direct.load(Ordering::Relaxed)
    }

    fn no_direct_writes(&self) {
        self.direct.store(false, Ordering::Relaxed);
    }

    /// Makes sure that the folder of `name` is there and would survive a power loss.
    fn make_folder_of(&self, name: BlobName) -> io::Result<PathBuf> {
        let folder = self.folder(name);
        let durable = &self.folders[usize::from(name.as_bytes()[0])];
        if !durable.load(Ordering::Acquire) {
            self.disk.make_folder(&folder)?;
            self.disk.sync_folder(&self.root)?;
            // Only now: whoever sees the flag may rely on the sync.
            durable.store(true, Ordering::Release);
        }
        Ok(folder)
    }

    fn forget_folder_of(&self, name: BlobName) {
        self.folders[usize::from(name.as_bytes()[0])].store(false, Ordering::Release);
    }

    fn list(&self, sender: &mpsc::Sender<Result<ListedBlob, BlobError>>) -> io::Result<()> {
        for first in 0..=u8::MAX {
            let entries = match std::fs::read_dir(self.root.join(format!("{first:02x}"))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            for entry in entries {
                let entry = entry?;
                let Some(name) = entry.file_name().to_str().and_then(|text| text.parse::<BlobName>().ok())
                else {
                    tracing::warn!("a file in the blob folder is not a blob and is left alone");
                    continue;
                };
                let found = match entry.metadata() {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    other => other?,
                };
                let listed = ListedBlob { name, len: found.len(), modified: unix_seconds(found.modified()?) };
                if sender.blocking_send(Ok(listed)).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn sweep_temporary(&self, older_than: Duration) -> io::Result<u64> {
        let now = SystemTime::now();
        let mut swept = 0;
        let entries = match std::fs::read_dir(self.tmp()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.heal()?;
                return Ok(0);
            }
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let age = entry.metadata().and_then(|found| found.modified()).map(|at| now.duration_since(at));
            match age {
                // A time in the future is no age at all: such a file is left alone.
                Ok(Ok(age)) if age >= older_than => match self.disk.remove(&entry.path()) {
                    Ok(()) => swept += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                },
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(swept)
    }
}

/// A folder that is missing where a file was to be written: not the absence of a blob, and it may pass.
fn gone(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::Interrupted, error),
        _ => error,
    }
}

fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    join(spawn_blocking(work)).await
}

/// The result of work on a blocking thread. Takes the handle or a `&mut` of it.
async fn join<T>(
    handle: impl Future<Output = <JoinHandle<io::Result<T>> as Future>::Output>,
) -> Result<T, BlobError> {
    match handle.await {
        Ok(result) => Ok(result?),
        Err(_) => Err(BlobError::Io(io::Error::other("the blocking thread was stopped or panicked"))),
    }
}
