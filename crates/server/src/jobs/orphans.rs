//! Deletes blobs that nothing refers to, in every configured store, once they are old enough not to belong to something under way.

use std::time::Duration;

use blobs::{BlobList, ListedBlob};
use db::BlobRef;
use futures::TryStreamExt as _;

use super::{Ground, Held, JobError};
use crate::database::in_time;
use crate::stores::{Place, Shelf, StoreError, StoreName};

/// Nothing younger is touched: its row may be about to be written.
pub(crate) const YOUNGEST_SECONDS: i64 = 24 * 3_600;
/// By so much the time of a blob may lag behind the clock: file systems keep whole seconds, and a tick of their own.
const LAG_SECONDS: i64 = 2;
const BATCH: usize = 500;

/// A blob that no row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// In which store it is.
    pub store: StoreName,
    /// What the store says of it.
    pub blob: ListedBlob,
}

/// One sweep, for as long as the lease is held; says how many were deleted. While a backup runs there is none.
pub(crate) async fn run(held: &Held<'_>) -> Result<u64, JobError> {
    let ground = held.ground;
    if in_time(ground.db.is_backup_running(ground.now())).await? {
        return Ok(0);
    }
    let oldest = u64::try_from(YOUNGEST_SECONDS).unwrap_or(u64::MAX);
    ground.stores.sweep_temporary(Duration::from_secs(oldest)).await?;
    let mut orphans = Orphans::begin(ground).await?;
    let mut swept = 0;
    while let Some(found) = orphans.next().await? {
        // A backup may have begun meanwhile, or another server.
        if !held.still().await? || in_time(ground.db.is_backup_running(ground.now())).await? {
            break;
        }
        for Orphan { store, blob } in found {
            ground.stores.delete(Place { store, name: blob.name }).await?;
            swept += 1;
        }
    }
    if orphans.older > 0 {
        tracing::warn!(
            blobs = orphans.older,
            "blobs that are older than this database and that it does not know were left alone: they may belong to another one"
        );
    }
    Ok(swept)
}

/// Looks for them and touches nothing.
pub(crate) struct Orphans<'a> {
    ground: Ground<'a>,
    /// Stores that were not listed yet.
    ahead: std::slice::Iter<'a, Shelf>,
    /// Asked no more once it has ended.
    listing: Option<(StoreName, BlobList)>,
    /// Since when the database knows every blob; a new one that no server has used yet knows none.
    born: Option<i64>,
    /// Blobs that were seen and are too young to be told from those under way.
    pub(crate) young: u64,
    /// Blobs that no row names and that are older than the database, which is no reason to delete them: it may be a new one where
    /// an old one was meant, or one that rows are still to be brought back into.
    pub(crate) older: u64,
}

impl<'a> Orphans<'a> {
    pub(crate) async fn begin(ground: Ground<'a>) -> Result<Self, JobError> {
        let born = in_time(ground.db.birth()).await?.map(|born| born.0 - LAG_SECONDS);
        Ok(Self { ground, ahead: ground.stores.all().iter(), listing: None, born, young: 0, older: 0 })
    }

    /// The orphans among the next blobs, which may be none; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Orphan>>, JobError> {
        let mut old = Vec::with_capacity(BATCH);
        while old.len() < BATCH {
            let Some((store, blob)) = self.listed().await? else { break };
            if blob.modified <= self.ground.now().0 - YOUNGEST_SECONDS {
                old.push(Orphan { store, blob });
            } else {
                self.young += 1;
            }
        }
        if old.is_empty() {
            return Ok(None);
        }
        let place = |orphan: &Orphan| Place { store: orphan.store, name: orphan.blob.name };
        let refs: Vec<BlobRef> = old.iter().map(|orphan| place(orphan).reference()).collect();
        let known = in_time(self.ground.db.known_blobs(&refs)).await?;
        let mut refs = refs.iter();
        old.retain(|_| refs.next().is_some_and(|blob| !known.contains(blob)));
        let all = old.len();
        old.retain(|orphan| self.born.is_some_and(|born| orphan.blob.modified >= born));
        self.older += (all - old.len()) as u64;
        Ok(Some(old))
    }

    /// The next blob of any store.
    async fn listed(&mut self) -> Result<Option<(StoreName, ListedBlob)>, StoreError> {
        loop {
            if let Some((store, listing)) = &mut self.listing {
                if let Some(blob) = listing.try_next().await? {
                    return Ok(Some((*store, blob)));
                }
                self.listing = None;
            }
            let Some(shelf) = self.ahead.next() else { return Ok(None) };
            self.listing = Some((shelf.name, shelf.blobs.list().await?));
        }
    }
}
