//! Writing to several stores at once: one stream, cheap clones of each piece, one commit for all.
//!
//! A store that fails on the way is left out, and the others go on. At commit their copies are made durable first;
//! then another store gets a copy of one of them, until as many are there as are to be kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::join_all;

use super::{Set, together};
use crate::{BlobError, BlobName, BlobWriter};

pub(super) struct MirrorWriter {
    set: Arc<Set>,
    name: BlobName,
    /// The stores that take the stream, by their index.
    copies: Vec<(usize, Box<dyn BlobWriter>)>,
    /// Stores that were asked, whatever came of it.
    asked: Vec<usize>,
    errors: Vec<BlobError>,
    broken: bool,
}

impl MirrorWriter {
    pub(super) async fn create(set: Arc<Set>, name: BlobName, len: Option<u64>) -> Result<Self, BlobError> {
        let (mut copies, mut asked, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut places = set.to_write(name).into_iter();
        while copies.len() < set.copies {
            let next: Vec<usize> = places.by_ref().take(set.copies - copies.len()).collect();
            if next.is_empty() {
                return Err(together(errors));
            }
            let opened = join_all(next.iter().map(|&index| open(&set, index, name, len))).await;
            for (&index, opened) in next.iter().zip(opened) {
                asked.push(index);
                match opened {
                    Ok(writer) => copies.push((index, writer)),
                    Err(BlobError::AlreadyExists) => return Err(BlobError::AlreadyExists),
                    Err(error) => errors.push(set.failed(index, error)),
                }
            }
        }
        Ok(Self { set, name, copies, asked, errors, broken: false })
    }

    /// Commits what was streamed; gives the stores that hold it now.
    async fn commit_streams(&mut self) -> Result<Vec<usize>, BlobError> {
        let commits = std::mem::take(&mut self.copies).into_iter();
        let commits = commits.map(|(index, writer)| async move { (index, writer.commit().await) });
        let (mut held, mut is_taken) = (Vec::new(), false);
        for (index, committed) in join_all(commits).await {
            match committed {
                Ok(()) => held.push(index),
                Err(BlobError::AlreadyExists) => is_taken = true,
                Err(error) => self.errors.push(self.set.failed(index, error)),
            }
        }
        if is_taken {
            // Another process commits the same name: what is ours goes, what is theirs stays.
            self.set.undo(self.name, &held).await;
            return Err(BlobError::AlreadyExists);
        }
        Ok(held)
    }

    /// Gives copies of what is `held` to stores that were not asked yet, until there are enough.
    async fn stand_in(&mut self, held: &mut Vec<usize>) {
        for index in self.set.to_write(self.name) {
            if held.len() >= self.set.copies {
                return;
            }
            if held.is_empty() || self.asked.contains(&index) {
                continue;
            }
            self.asked.push(index);
            match copy_from_any(&self.set, self.name, held, index).await {
                Ok(()) => held.push(index),
                Err(error) => self.errors.push(self.set.failed(index, error)),
            }
        }
    }
}

#[async_trait]
impl BlobWriter for MirrorWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        // Stays set if this future is dropped or fails on the way.
        if std::mem::replace(&mut self.broken, true) {
            return Err(BlobError::Broken);
        }
        if !bytes.is_empty() {
            let writes = self.copies.iter_mut().map(|(_, writer)| writer.write(bytes.clone()));
            let mut written = join_all(writes).await.into_iter();
            let (set, errors) = (&self.set, &mut self.errors);
            self.copies.retain(|(index, _)| match written.next() {
                Some(Err(error)) => {
                    errors.push(set.failed(*index, error));
                    false
                }
                _ => true,
            });
            if self.copies.is_empty() {
                return Err(together(std::mem::take(&mut self.errors)));
            }
        }
        self.broken = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), BlobError> {
        if self.broken {
            return Err(BlobError::Broken);
        }
        let set = self.set.clone();
        let _turn = set.turns.of(self.name).lock().await;
        let here: Vec<usize> = self.copies.iter().map(|(index, _)| *index).collect();
        if is_taken_elsewhere(&set, self.name, &here).await {
            return Err(BlobError::AlreadyExists);
        }
        let mut held = self.commit_streams().await?;
        self.stand_in(&mut held).await;
        if held.len() < set.copies {
            // Also where a commit failed: there the blob may be whole, and must not be used.
            set.undo(self.name, &self.asked).await;
            return Err(together(self.errors));
        }
        Ok(())
    }
}

/// A writer in one store.
async fn open(
    set: &Set,
    index: usize,
    name: BlobName,
    len: Option<u64>,
) -> Result<Box<dyn BlobWriter>, BlobError> {
    let blobs = &set.stores[index].blobs;
    match len {
        Some(len) => blobs.create_sized(name, len).await,
        None => blobs.create(name).await,
    }
}

/// Whether a store that does not take this stream has a blob of that name. One that cannot be asked has none, and
/// one that failed a moment ago is not waited for.
async fn is_taken_elsewhere(set: &Set, name: BlobName, here: &[usize]) -> bool {
    let is_asked = |index: &usize| !here.contains(index) && !set.stores[*index].standing.is_failing();
    let asked = (0..set.stores.len()).filter(is_asked).map(|index| async move {
        let len = set.stores[index].blobs.len(name).await;
        matches!(len.map_err(|error| set.failed(index, error)), Ok(Some(_)))
    });
    join_all(asked).await.contains(&true)
}

/// Copies a blob to the store `to` from the first of `from` that can be read to its end.
pub(super) async fn copy_from_any(
    set: &Set,
    name: BlobName,
    from: &[usize],
    to: usize,
) -> Result<(), BlobError> {
    let mut last = BlobError::NotFound;
    for &source in from {
        match copy(set, name, source, to).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Streams a blob from one store to another and makes it durable there.
async fn copy(set: &Set, name: BlobName, from: usize, to: usize) -> Result<(), BlobError> {
    let source = &set.stores[from].blobs;
    let len = source.len(name).await?.ok_or(BlobError::NotFound)?;
    let mut stream = source.read(name, 0..len).await?;
    let mut writer = set.stores[to].blobs.create_sized(name, len).await?;
    while let Some(piece) = stream.try_next().await? {
        writer.write(piece).await?;
    }
    writer.commit().await
}

/// Small blobs: those that go to one store are written together there. Those whose store failed go to others.
pub(super) async fn put_all(set: &Set, blobs: Vec<(BlobName, Bytes)>) -> Result<(), BlobError> {
    // For each blob the stores that may still be asked, the next one last, and how many copies it lacks.
    let mut open: Vec<(Vec<usize>, usize)> =
        blobs.iter().map(|(name, _)| (set.to_write(*name).into_iter().rev().collect(), set.copies)).collect();
    let mut errors = Vec::new();
    loop {
        let mut batches: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (blob, (places, lacking)) in open.iter_mut().enumerate() {
            for _ in 0..*lacking {
                let Some(place) = places.pop() else { return Err(together(errors)) };
                batches.entry(place).or_default().push(blob);
            }
        }
        if batches.is_empty() {
            return Ok(());
        }
        let writes = batches.into_iter().map(|(place, batch)| {
            let chosen = batch.iter().map(|&blob| blobs[blob].clone()).collect();
            async move { (place, set.stores[place].blobs.put_all(chosen).await, batch) }
        });
        for (place, written, batch) in join_all(writes).await {
            match written {
                Ok(()) => batch.into_iter().for_each(|blob| open[blob].1 -= 1),
                Err(BlobError::AlreadyExists) => return Err(BlobError::AlreadyExists),
                Err(error) => errors.push(set.failed(place, error)),
            }
        }
    }
}
