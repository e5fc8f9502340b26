//! Bringing copies back: which there are, which are intact, and writing those that are not.

use std::io;

use async_trait::async_trait;
use futures::future::join_all;

use super::{Mirror, together, writer};
use crate::{BlobError, BlobName, Blobs};

/// One blob in one store.
#[derive(Debug)]
pub struct Copy {
    /// The index of the store, as in [`Mirror::labels`].
    pub store: usize,
    /// What is there.
    pub state: CopyState,
}

/// What a store has of a blob.
#[derive(Debug)]
pub enum CopyState {
    /// A copy of so many octets; whether they are the right ones, only reading tells.
    Held {
        /// Octets.
        len: u64,
    },
    /// Nothing.
    Missing,
    /// The store cannot be asked.
    Unreachable(BlobError),
}

/// Knows what a blob must hold, and so which copies may be the source of others.
#[async_trait]
pub trait CopyJudge: Send + Sync {
    /// Whether the blob of that name in `store`, read from its first octet to its last, is what it must be. Called once
    /// per copy that is there and once more for each copy that was written.
    ///
    /// # Errors
    /// The store cannot be read now, so that nothing is known. A copy that is damaged is `false`.
    async fn is_intact(&self, store: &dyn Blobs, name: BlobName) -> Result<bool, BlobError>;
}

/// What a repair found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Copies that were intact before.
    pub intact: usize,
    /// Copies that were there and not what they must be.
    pub damaged: usize,
    /// Stores that could not be asked or read.
    pub unreachable: usize,
    /// Copies that were written and judged intact.
    pub written: usize,
    /// Copies that are still missing to the number that is to be kept.
    pub lacking: usize,
}

impl Repaired {
    /// Whether no intact copy was found, so that nothing could be brought back. Where a store was unreachable it may
    /// still have one.
    pub const fn is_lost(&self) -> bool {
        self.intact == 0
    }
}

impl Mirror {
    /// What each store has of a blob, in the order of [`Mirror::labels`].
    pub async fn copies(&self, name: BlobName) -> Vec<Copy> {
        let set = &self.set;
        let asked = set.stores.iter().enumerate().map(|(store, held)| async move {
            let state = match held.blobs.len(name).await {
                Ok(Some(len)) => CopyState::Held { len },
                Ok(None) => CopyState::Missing,
                Err(error) => CopyState::Unreachable(set.failed(store, error)),
            };
            Copy { store, state }
        });
        join_all(asked).await
    }

    /// Judges every copy of a blob and writes those that are missing, from an intact one only. A damaged copy is
    /// replaced; where no intact one is found, nothing is touched. Running again is safe.
    ///
    /// A blob that is deleted meanwhile by another process may come back; the orphan sweep finds it.
    ///
    /// # Errors
    /// None of the stores can be reached. All else is in what is returned.
    pub async fn repair(&self, name: BlobName, judge: &dyn CopyJudge) -> Result<Repaired, BlobError> {
        let set = &self.set;
        // A deletion in this process waits, so that it is not undone.
        let _turn = set.turns.of(name).lock().await;
        let mut report = Repaired::default();
        let (mut intact, mut damaged, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut free = set.to_write(name);
        for index in set.order(name) {
            match self.judged(index, name, judge).await {
                Ok(Some(true)) => intact.push(index),
                Ok(Some(false)) => damaged.push(index),
                Ok(None) => continue,
                Err(error) => errors.push(set.failed(index, error)),
            }
            free.retain(|&place| place != index);
        }
        (report.intact, report.damaged, report.unreachable) = (intact.len(), damaged.len(), errors.len());
        if errors.len() == set.stores.len() {
            return Err(together(errors));
        }
        // Without an intact copy nothing is removed: a damaged one may be all that is left.
        if !intact.is_empty() {
            set.undo(name, &damaged).await;
            for index in damaged.into_iter().chain(free) {
                if intact.len() + report.written >= set.copies {
                    break;
                }
                match self.restore(name, &intact, index, judge).await {
                    Ok(()) => report.written += 1,
                    Err(error) => drop(set.failed(index, error)),
                }
            }
        }
        report.lacking = set.copies.saturating_sub(intact.len() + report.written);
        Ok(report)
    }

    /// `None` if that store has no copy.
    async fn judged(
        &self,
        index: usize,
        name: BlobName,
        judge: &dyn CopyJudge,
    ) -> Result<Option<bool>, BlobError> {
        let store = &self.set.stores[index].blobs;
        if store.len(name).await?.is_none() {
            return Ok(None);
        }
        judge.is_intact(&**store, name).await.map(Some)
    }

    /// Writes a copy from the first of `sources` that can be read, and judges what was written.
    async fn restore(
        &self,
        name: BlobName,
        sources: &[usize],
        to: usize,
        judge: &dyn CopyJudge,
    ) -> Result<(), BlobError> {
        writer::copy_from_any(&self.set, name, sources, to).await?;
        match self.judged(to, name, judge).await {
            Ok(Some(true)) => Ok(()),
            other => {
                self.set.undo(name, &[to]).await;
                Err(other.err().unwrap_or_else(|| BlobError::Io(io::ErrorKind::InvalidData.into())))
            }
        }
    }
}
