//! Moving blobs from one store to another while they are read and written.
//!
//! Each blob is copied under a fresh name, read again where it is then, and only then known by its new reference, in one step
//! of the database; the old one is deleted a while later. A run that is cut off leaves at most some copies that nothing
//! refers to, which the orphan sweep takes; the next run goes on with what is left.

use std::time::Duration;

use blobs::Blobs;
use db::{FencingToken, Job, Lease, MoveAnswer, MoveBlob};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::FileId;

use super::scrub::Damaged;
use super::{AdminError, Upkeep};
use crate::stored::{Damage, Recorded, Recordings};
use crate::stores::{Place, Shelf, StoreName};

/// How long the lease of a move lives that nobody prolongs.
const LEASE_SECONDS: u32 = 60;
const PROLONG_EVERY: Duration = Duration::from_secs(15);
/// How long a moved blob stays where it was: longer than any address of it that was given out is good.
const KEEP_SECONDS: u32 = 900;
/// Blobs of one file that are under way at once.
const AT_ONCE: usize = 4;

/// What is to be moved.
#[derive(Clone, Copy, Debug)]
pub struct MoveOptions {
    /// Out of which store.
    pub from: StoreName,
    /// Into which.
    pub to: StoreName,
    /// Whether a move that is under way elsewhere is ended by this one.
    pub take_over: bool,
}

/// What a move has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoveReport {
    /// Files and open uploads that were looked at.
    pub files: u64,
    /// Blobs that were moved.
    pub moved: u64,
    /// Octets of them.
    pub bytes: u64,
    /// Blobs whose file ended before it was their turn.
    pub ended: u64,
    /// Pieces that are damaged or missing, and stay where they are.
    pub damaged: u64,
}

/// What happens while blobs are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveEvent {
    /// One file is done.
    Progress(MoveReport),
    /// A piece that is not moved, because no sound copy of it is there.
    Damaged(Damaged),
}

/// What came of one blob.
#[derive(Clone, Copy)]
enum Step {
    Moved,
    Ended,
    Damaged(Damage),
}

impl Upkeep {
    /// Moves everything that is in one store into another. Idempotent: what is moved already is left alone.
    ///
    /// # Errors
    /// A store that is not configured or cannot be used, another move that is under way, or the database. Running again goes on.
    pub async fn move_blobs(
        &self,
        options: MoveOptions,
        each: impl FnMut(&MoveEvent),
    ) -> Result<MoveReport, AdminError> {
        if options.from == options.to {
            return Err(AdminError::SameStore(options.from));
        }
        let (from, to) = (self.stores.shelf(options.from)?, self.stores.shelf(options.to)?);
        let holder = uuid::Uuid::from_bytes(crate::random::uuid()).to_string();
        let token = if options.take_over {
            self.db.seize_lease(Job::BlobMove, &holder, self.now(), LEASE_SECONDS).await?
        } else {
            self.move_lease(&holder).await?.ok_or(AdminError::MoveRuns)?
        };
        let lease = Lease { job: Job::BlobMove, token };
        let worked = tokio::select! {
            worked = self.move_all(from, to, &lease, each) => worked,
            lost = self.keep_move_lease(&holder, token) => Err(lost),
        };
        let released = self.db.release_lease(&lease).await;
        let report = worked?;
        released?;
        Ok(report)
    }

    async fn move_all(
        &self,
        from: &Shelf,
        to: &Shelf,
        lease: &Lease,
        mut each: impl FnMut(&MoveEvent),
    ) -> Result<MoveReport, AdminError> {
        let mut report = MoveReport::default();
        loop {
            let moved_before = report.moved;
            report.files = 0;
            report.damaged = 0;
            let mut files = Recordings::of(&*self.db);
            while let Some(file) = files.next().await? {
                report.files += 1;
                let is_there = |place: Place| place.store == from.name;
                let here = file.blobs.iter().filter(|recorded| recorded.place().is_some_and(is_there));
                let mut steps =
                    stream::iter(here.map(|recorded| self.move_one(from, to, file.file_id, recorded, lease)))
                        .buffer_unordered(AT_ONCE);
                let mut any = false;
                while let Some((recorded, step)) = steps.try_next().await? {
                    any = true;
                    count(&mut report, file.file_id, recorded, step, &mut each);
                }
                if any {
                    each(&MoveEvent::Progress(report));
                }
            }
            // Uploads that were under way may have put blobs behind the place where this pass had been.
            if report.moved == moved_before {
                return Ok(report);
            }
        }
    }

    /// Copies one blob, reads the copy, and lets it be known; whatever else comes of it, nothing stays of the copy.
    async fn move_one<'r>(
        &self,
        from: &Shelf,
        to: &Shelf,
        file_id: FileId,
        recorded: &'r Recorded,
        lease: &Lease,
    ) -> Result<(&'r Recorded, Step), AdminError> {
        let Some(old) = recorded.place() else { return Ok((recorded, Step::Damaged(Damage::Rows))) };
        let new = Place::fresh(to.name);
        let copied = recorded.copy(&from.sources(), old.name, &*to.blobs, new.name).await?;
        if let Some(damage) = copied {
            // It may have ended and been deleted, or moved by somebody else, while this run came to it.
            let now = self.recorded_now(file_id, recorded.piece).await?;
            let is_here = now.as_ref() == Some(&recorded.blob);
            return Ok((recorded, if is_here { Step::Damaged(damage) } else { Step::Ended }));
        }
        if let Some(damage) = recorded.check_in(&*to.blobs, new.name, None).await? {
            discard(&*to.blobs, new).await;
            return Err(AdminError::BadCopy { store: to.name, damage: damage.as_str() });
        }
        let step = MoveBlob {
            from: &recorded.blob,
            to: &new.reference(),
            now: self.now(),
            keep_secs: KEEP_SECONDS,
            lease,
        };
        match self.db.move_blob(step).await? {
            MoveAnswer::Moved => Ok((recorded, Step::Moved)),
            MoveAnswer::Gone => {
                discard(&*to.blobs, new).await;
                Ok((recorded, Step::Ended))
            }
            MoveAnswer::LeaseLost => {
                discard(&*to.blobs, new).await;
                Err(AdminError::MoveLapsed)
            }
        }
    }

    /// Prolongs the lease for as long as it is polled; ends when it is lost.
    async fn keep_move_lease(&self, holder: &str, token: FencingToken) -> AdminError {
        loop {
            tokio::time::sleep(PROLONG_EVERY).await;
            match self.move_lease(holder).await {
                Ok(Some(same)) if same == token => {}
                Ok(_) => return AdminError::MoveLapsed,
                // There are several tries before it lapses, and each step asks whether it did.
                Err(AdminError::Database(error)) if error.is_transient() => {}
                Err(error) => return error,
            }
        }
    }

    async fn move_lease(&self, holder: &str) -> Result<Option<FencingToken>, AdminError> {
        Ok(self.db.take_lease(Job::BlobMove, holder, self.now(), LEASE_SECONDS).await?)
    }
}

fn count(
    report: &mut MoveReport,
    file_id: FileId,
    recorded: &Recorded,
    step: Step,
    each: &mut impl FnMut(&MoveEvent),
) {
    match step {
        Step::Moved => {
            report.moved += 1;
            report.bytes += recorded.len;
        }
        Step::Ended => report.ended += 1,
        Step::Damaged(damage) => {
            report.damaged += 1;
            each(&MoveEvent::Damaged(Damaged { file_id, piece: recorded.piece, damage }));
        }
    }
}

/// Deletes a copy that came to nothing. What cannot be deleted now the orphan sweep finds.
async fn discard(blobs: &dyn Blobs, place: Place) {
    if let Err(error) = blobs.delete(place.name).await {
        tracing::warn!(cause = %error, blob = %place, "a copy that was not used could not be deleted; the orphan sweep will");
    }
}
