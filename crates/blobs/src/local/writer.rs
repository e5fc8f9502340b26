//! Writing a blob: one batch fills while the one before it is on its way to the disk.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Store, blocking, join};
use crate::{BlobError, BlobName, BlobWriter};

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
        let path = store.temporary();
        let file = Arc::new(store.disk.create(&path)?);
        let temporary = Temporary { store: store.clone(), path: Some(path) };
        let filling = Batch::default();
        Ok(Self {
            store,
            name,
            file,
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
            let Self { store, name, file, mut temporary, mut filling, offset, .. } = *self;
            let (pieces, _) = filling.take();
            store.disk.write(&file, offset, &pieces)?;
            store.disk.sync_file(&file)?;
            drop(file);
            let folder = store.make_folder_of(name)?;
            temporary.publish(name)?;
            store.disk.sync_folder(&folder)
        })
        .await
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
    fn publish(&mut self, name: BlobName) -> io::Result<()> {
        if let Some(path) = &self.path {
            self.store.disk.publish(path, &self.store.path(name))?;
            self.path = None;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = self.store.disk.remove(path)
        {
            tracing::warn!(kind = %error.kind(), "a temporary blob could not be removed; the sweep will find it");
        }
    }
}
