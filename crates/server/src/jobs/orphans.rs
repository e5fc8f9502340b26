//! Deletes blobs that nothing refers to, once they are old enough not to belong to something under way.

use std::time::Duration;

use blobs::{BlobList, ListedBlob};
use db::BlobRef;
use futures::TryStreamExt as _;

use super::{Ground, Held, JobError};

/// Nothing younger is touched: its row may be about to be written.
pub(crate) const YOUNGEST_SECONDS: i64 = 24 * 3_600;
const BATCH: usize = 500;

/// One sweep, for as long as the lease is held; says how many were deleted. While a backup runs there is none.
pub(crate) async fn run(held: &Held<'_>) -> Result<u64, JobError> {
    let ground = held.ground;
    if ground.db.is_backup_running(ground.now()).await? {
        return Ok(0);
    }
    let oldest = u64::try_from(YOUNGEST_SECONDS).unwrap_or(u64::MAX);
    ground.blobs.sweep_temporary(Duration::from_secs(oldest)).await?;
    let mut orphans = Orphans::begin(ground).await?;
    let mut swept = 0;
    while let Some(found) = orphans.next().await? {
        // A backup may have begun meanwhile, or another server.
        if !held.still().await? || ground.db.is_backup_running(ground.now()).await? {
            break;
        }
        for blob in found {
            ground.blobs.delete(blob.name).await?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// Looks for them and touches nothing.
pub(crate) struct Orphans<'a> {
    ground: Ground<'a>,
    /// Asked no more once it has ended.
    listing: Option<BlobList>,
    /// Blobs that were seen and are too young to be told from those under way.
    pub(crate) young: u64,
}

impl<'a> Orphans<'a> {
    pub(crate) async fn begin(ground: Ground<'a>) -> Result<Self, JobError> {
        Ok(Self { ground, listing: Some(ground.blobs.list().await?), young: 0 })
    }

    /// The orphans among the next blobs, which may be none; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<ListedBlob>>, JobError> {
        let mut old = Vec::with_capacity(BATCH);
        while old.len() < BATCH {
            let Some(listing) = &mut self.listing else { break };
            let Some(blob) = listing.try_next().await? else {
                self.listing = None;
                break;
            };
            if blob.modified <= self.ground.now().0 - YOUNGEST_SECONDS {
                old.push(blob);
            } else {
                self.young += 1;
            }
        }
        if old.is_empty() {
            return Ok(None);
        }
        let refs: Vec<_> = old.iter().map(|blob| BlobRef::new(blob.name.to_string())).collect();
        let known = self.ground.db.known_blobs(&refs).await?;
        let mut refs = refs.iter();
        old.retain(|_| refs.next().is_some_and(|blob| !known.contains(blob)));
        Ok(Some(old))
    }
}
