//! Expiry and orphans, now instead of at their next time.

use std::sync::Arc;

use blobs::Blobs;
use db::{Database, Job, UnixTime};

use super::{AdminError, open_database, open_stores};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::jobs::orphans::{self, Orphan, Orphans};
use crate::jobs::{Ground, Held, JobReport, expiry};
use crate::stores::{StoreName, Stores};

/// Database and blobs of a data folder.
pub struct Upkeep {
    pub(super) db: Arc<dyn Database>,
    pub(super) stores: Stores,
    clock: Arc<dyn Clock>,
}

/// What one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// What the jobs did.
    pub done: JobReport,
    /// Blobs that wait: until a running backup has ended, until nobody can be reading them where they were before they were
    /// moved, or until their store is there again.
    pub waiting_blobs: u64,
    /// Whether a backup is running.
    pub backup_runs: bool,
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
    /// Blobs that are older than the database, so that they may belong to another one; no sweep deletes them.
    pub older: u64,
}

impl Upkeep {
    /// Opens the configured data folder, also while a server runs on it.
    ///
    /// # Errors
    /// A folder that is not a server's, or that cannot be used.
    pub async fn open(config: &Config) -> Result<Self, AdminError> {
        let db = open_database(config).await?;
        Ok(Self { db, stores: open_stores(config).await?, clock: Arc::new(SystemClock) })
    }

    /// With stores in the place of configured ones or beside them.
    ///
    /// # Errors
    /// A configured store that cannot be opened.
    pub async fn with_stores(
        self,
        config: &Config,
        stores: Vec<(StoreName, Arc<dyn Blobs>)>,
    ) -> Result<Self, AdminError> {
        Ok(Self { stores: Stores::open(config, stores).await?, ..self })
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
        let backup_runs = self.db.is_backup_running(self.now()).await?;
        Ok(GcReport { done, waiting_blobs: self.db.stats().await?.doomed_blobs, backup_runs })
    }

    /// Gives each blob that no row names and that is at least 24 hours old to `each`; touches nothing.
    ///
    /// # Errors
    /// The database or the storage.
    pub async fn orphans(&self, mut each: impl FnMut(&Orphan)) -> Result<OrphanTotals, AdminError> {
        let mut totals = OrphanTotals::default();
        let mut orphans = Orphans::begin(self.ground()).await?;
        while let Some(found) = orphans.next().await? {
            for orphan in found {
                totals.orphans += 1;
                totals.bytes += orphan.blob.len;
                each(&orphan);
            }
        }
        Ok(OrphanTotals { young: orphans.young, older: orphans.older, ..totals })
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.db.close().await;
    }

    pub(super) fn now(&self) -> UnixTime {
        UnixTime(self.clock.now())
    }

    fn ground(&self) -> Ground<'_> {
        Ground { db: &*self.db, stores: &self.stores, clock: &*self.clock }
    }
}
