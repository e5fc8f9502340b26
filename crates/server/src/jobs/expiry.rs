//! Ends expired files and uploads, deletes the blobs of what ended, and forgets what nobody needs any more.

use blobs::BlobName;
use db::Retention;
use proto::limits::DOWNLOAD_SECONDS;

use super::{Held, JobError, JobReport};

const BATCH: u32 = 200;

/// How long whoever watches may be away and still be told what happened meanwhile, and how much that is for all together.
const WATCH_KNOWN_SECONDS: i64 = 3 * 86_400;
const WATCH_KNOWN_ROWS: u64 = 1_000_000;
/// How long those who could see a file are told "expired" rather than "nothing here".
const EXPIRED_KNOWN_SECONDS: u32 = 30 * 86_400;

/// How long the server knows that a file has left a list: longer than a cursor of changes holds.
const GONE_KNOWN_SECONDS: u32 = 90 * 86_400;

/// One run, for as long as the lease is held.
pub(crate) async fn run(held: &Held<'_>, report: &mut JobReport) -> Result<(), JobError> {
    let ground = held.ground;
    loop {
        // Without the lease another server is at it.
        let Some(doomed) = ground.db.doom_expired(ground.now(), BATCH, &held.lease).await? else {
            return Ok(());
        };
        report.expired_files += u64::from(doomed.files);
        report.expired_uploads += u64::from(doomed.uploads);
        if doomed.files + doomed.uploads < BATCH {
            break;
        }
    }
    loop {
        if !held.still().await? {
            return Ok(());
        }
        let doomed = ground.db.doomed_blobs(BATCH, ground.now()).await?;
        for blob in &doomed {
            let name: BlobName = blob.as_str().parse()?;
            ground.blobs.delete(name).await?;
        }
        // Deleted first, forgotten then: a crash between repeats a deletion and loses no blob.
        ground.db.forget_blobs(&doomed).await?;
        report.deleted_blobs += doomed.len() as u64;
        if doomed.len() < BATCH as usize {
            break;
        }
    }
    ground
        .db
        .purge(
            ground.now(),
            Retention {
                tickets_secs: u32::try_from(DOWNLOAD_SECONDS).unwrap_or(u32::MAX),
                expired_secs: EXPIRED_KNOWN_SECONDS,
                gone_secs: GONE_KNOWN_SECONDS,
            },
        )
        .await?;
    let now = ground.now();
    ground.db.forget_happenings(now, now.plus(-WATCH_KNOWN_SECONDS), WATCH_KNOWN_ROWS).await?;
    Ok(())
}
