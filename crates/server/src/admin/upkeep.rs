//! Expiry, orphans and scrubbing, now instead of at their next time.

use std::sync::Arc;

use blobs::{Blobs, ListedBlob, LocalBlobs};
use db::{Database as _, Files as _, Job, Jobs as _, Sqlite, UnixTime, Uploads as _};
use proto::FileId;

use super::{AdminError, open_blobs, open_database};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::jobs::orphans::{self, Orphans};
use crate::jobs::{Ground, Held, JobReport, expiry};
use crate::stored::{Damage, Piece, Recorded, RecordedFile, Recordings};

/// Database and blobs of a data folder.
pub struct Upkeep {
    db: Sqlite,
    blobs: Box<dyn Blobs>,
    clock: Arc<dyn Clock>,
}

/// What one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// What the jobs did.
    pub done: JobReport,
    /// Blobs that wait until a running backup has ended.
    pub waiting_blobs: u64,
}

/// What no row names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrphanTotals {
    /// Blobs that the next sweep would delete.
    pub orphans: u64,
    /// Octets of them.
    pub bytes: u64,
    /// Blobs younger than 24 hours, which nobody can tell from what is under way.
    pub young: u64,
}

/// A piece that is not as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Of which file or open upload.
    pub file_id: FileId,
    /// Which piece.
    pub piece: Piece,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What a scrub read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Files and open uploads.
    pub files: u64,
    /// Blobs.
    pub blobs: u64,
    /// Octets that were recorded of them.
    pub bytes: u64,
    /// Pieces that are damaged or missing.
    pub damaged: u64,
}

impl Upkeep {
    /// Opens the configured data folder, also while a server runs on it.
    ///
    /// # Errors
    /// A folder that is not a server's, or that cannot be used.
    pub async fn open(config: &Config) -> Result<Self, AdminError> {
        let db = open_database(config).await?;
        let blobs: LocalBlobs = open_blobs(config).await?;
        Ok(Self { db, blobs: Box::new(blobs), clock: Arc::new(SystemClock) })
    }

    /// By another clock than the system's.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Ends what has expired, deletes the blobs of what ended, and sweeps up orphans. A server that is at it lets go and takes
    /// its lease back afterwards.
    ///
    /// # Errors
    /// The database or the storage; running again is safe.
    pub async fn gc(&self) -> Result<GcReport, AdminError> {
        let holder = uuid::Uuid::from_bytes(crate::random::uuid()).to_string();
        let expiry = Held::seize(self.ground(), Job::Expiry, &holder).await?;
        let mut done = JobReport::default();
        let ended = expiry::run(&expiry, &mut done).await;
        self.db.release_lease(&expiry.lease).await?;
        ended?;
        let sweep = Held::seize(self.ground(), Job::OrphanSweep, &holder).await?;
        let swept = orphans::run(&sweep).await;
        self.db.release_lease(&sweep.lease).await?;
        done.orphans = swept?;
        let waits = self.db.is_backup_running(self.now()).await?;
        let waiting_blobs = if waits { self.db.stats().await?.doomed_blobs } else { 0 };
        Ok(GcReport { done, waiting_blobs })
    }

    /// Gives each blob that no row names and that is at least 24 hours old to `each`; touches nothing.
    ///
    /// # Errors
    /// The database or the storage.
    pub async fn orphans(&self, mut each: impl FnMut(&ListedBlob)) -> Result<OrphanTotals, AdminError> {
        let mut totals = OrphanTotals::default();
        let mut orphans = Orphans::begin(self.ground()).await?;
        while let Some(found) = orphans.next().await? {
            for blob in found {
                totals.orphans += 1;
                totals.bytes += blob.len;
                each(&blob);
            }
        }
        Ok(OrphanTotals { young: orphans.young, ..totals })
    }

    /// Reads every stored blob and hashes it against what was recorded; gives what is damaged or missing to `each`. A
    /// few MiB of memory, however much is stored.
    ///
    /// # Errors
    /// The database; a blob that cannot be read is a finding.
    pub async fn scrub(&self, mut each: impl FnMut(&Damaged)) -> Result<ScrubReport, AdminError> {
        let mut report = ScrubReport::default();
        let mut files = Recordings::of(&self.db);
        while let Some(file) = files.next().await? {
            report.files += 1;
            let mut found = |piece, damage| {
                report.damaged += 1;
                each(&Damaged { file_id: file.file_id, piece, damage });
            };
            if !file.fits && self.is_still_a_file(&file).await? {
                found(Piece::Whole, Damage::Rows);
            }
            for recorded in &file.blobs {
                report.blobs += 1;
                report.bytes += recorded.len;
                let damage = recorded.check(&*self.blobs, None).await?;
                if let Some(damage) = damage
                    && self.is_still_recorded(file.file_id, recorded).await?
                {
                    found(recorded.piece, damage);
                }
            }
        }
        Ok(report)
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Whether a blob is still in use: its file may have ended while it was read.
    async fn is_still_recorded(&self, file_id: FileId, recorded: &Recorded) -> Result<bool, AdminError> {
        let now = match recorded.piece {
            Piece::Part(n) => self.db.part(file_id, n).await?.map(|part| part.blob),
            Piece::Leaves | Piece::Whole => {
                self.db.file_layout(file_id).await?.and_then(|layout| layout.leaves_blob)
            }
        };
        Ok(now.as_ref() == Some(&recorded.blob))
    }

    /// Whether a file whose rows contradict each other is there still; its rows were read one after the other.
    async fn is_still_a_file(&self, file: &RecordedFile) -> Result<bool, AdminError> {
        Ok(self.db.file_layout(file.file_id).await?.is_some())
    }

    fn now(&self) -> UnixTime {
        UnixTime(self.clock.now())
    }

    fn ground(&self) -> Ground<'_> {
        Ground { db: &self.db, blobs: &*self.blobs, clock: &*self.clock }
    }
}
