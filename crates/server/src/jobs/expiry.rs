//! Ends expired files and uploads, deletes the blobs of what ended, and forgets what nobody needs any more.

use db::{BlobRef, Retention};
use proto::limits::DOWNLOAD_SECONDS;

use super::{Ground, Held, JobError, JobReport};
use crate::database::in_time;
use crate::stores::{Place, StoreError};

const BATCH: u32 = 200;
/// How long a deletion waits that failed.
const PUT_OFF_SECONDS: i64 = 300;

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
        let Some(doomed) = in_time(ground.db.doom_expired(ground.now(), BATCH, &held.lease)).await? else {
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
        if !delete_doomed(&ground, report).await? {
            break;
        }
    }
    let keep = Retention {
        tickets_secs: u32::try_from(DOWNLOAD_SECONDS).unwrap_or(u32::MAX),
        expired_secs: EXPIRED_KNOWN_SECONDS,
        gone_secs: GONE_KNOWN_SECONDS,
    };
    in_time(ground.db.purge(ground.now(), keep)).await?;
    let now = ground.now();
    in_time(ground.db.forget_happenings(now, now.plus(-WATCH_KNOWN_SECONDS), WATCH_KNOWN_ROWS)).await?;
    Ok(())
}

/// Deletes some of the doomed; says whether there may be more. What is in a store that is away, or that is not configured here, is
/// put off, so that it keeps nothing else.
async fn delete_doomed(ground: &Ground<'_>, report: &mut JobReport) -> Result<bool, JobError> {
    let doomed = in_time(ground.db.doomed_blobs(BATCH, ground.now())).await?;
    let is_last = doomed.len() < BATCH as usize;
    let (mut gone, mut stuck) = (Vec::new(), Vec::new());
    let (mut first, mut away) = (None, Vec::new());
    for blob in doomed {
        let store = Place::try_from(&blob).ok().map(|place| place.store);
        // Each call to a store that hangs takes its whole patience; the lease would be over before the list is.
        if store.is_some_and(|store| away.contains(&store)) {
            stuck.push(blob);
            continue;
        }
        match delete(ground, &blob).await {
            Ok(()) => gone.push(blob),
            Err(error) => {
                if error.is_of_the_store() {
                    away.extend(store);
                }
                first.get_or_insert(error);
                stuck.push(blob);
            }
        }
    }
    // Deleted first, forgotten then: a crash between repeats a deletion and loses no blob.
    in_time(ground.db.forget_blobs(&gone)).await?;
    report.deleted_blobs += gone.len() as u64;
    if let Some(error) = first {
        let cause = crate::logging::chain(&error);
        tracing::error!(blobs = stuck.len(), %cause, "blobs could not be deleted and are tried again later");
        in_time(ground.db.put_off_deletions(&stuck, ground.now().plus(PUT_OFF_SECONDS))).await?;
        report.put_off_blobs += stuck.len() as u64;
    }
    Ok(!is_last)
}

async fn delete(ground: &Ground<'_>, blob: &BlobRef) -> Result<(), StoreError> {
    ground.stores.delete(Place::try_from(blob)?).await
}
