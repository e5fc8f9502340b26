//! Deletes blobs that nothing refers to, once they are old enough not to belong to something under way.

use std::time::Duration;

use blobs::BlobName;
use db::BlobRef;
use futures::TryStreamExt as _;

use super::JobError;
use crate::state::App;

/// Nothing younger is touched: its row may be about to be written.
const YOUNGEST_SECONDS: i64 = 24 * 3_600;
const BATCH: usize = 500;

pub(super) async fn run(app: &App) -> Result<u64, JobError> {
    let oldest = u64::try_from(YOUNGEST_SECONDS).unwrap_or(u64::MAX);
    app.blobs.sweep_temporary(Duration::from_secs(oldest)).await?;
    let mut listing = app.blobs.list().await?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut swept = 0;
    while let Some(blob) = listing.try_next().await? {
        if blob.modified <= app.now() - YOUNGEST_SECONDS {
            batch.push(blob.name);
        }
        if batch.len() == BATCH {
            swept += sweep(app, &batch).await?;
            batch.clear();
        }
    }
    Ok(swept + sweep(app, &batch).await?)
}

async fn sweep(app: &App, names: &[BlobName]) -> Result<u64, JobError> {
    let refs: Vec<_> = names.iter().map(|name| BlobRef::new(name.to_string())).collect();
    let known = app.db.known_blobs(&refs).await?;
    let mut swept = 0;
    for (name, blob) in names.iter().zip(&refs) {
        if !known.contains(blob) {
            app.blobs.delete(*name).await?;
            swept += 1;
        }
    }
    Ok(swept)
}
