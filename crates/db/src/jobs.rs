//! Work that one server does for all: leases, expiry, deletion of blobs, tidying.

use std::collections::HashSet;

use async_trait::async_trait;

use crate::{BlobRef, DbError, UnixTime};

/// What background jobs ask of the database.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Takes or prolongs the lease of a job; `None` while another holder has it.
    ///
    /// The same holder keeps its token while its lease lives; each change of holder, and each return after a
    /// lapse, gives a greater token. `holder` is a random text of the process.
    async fn take_lease(
        &self,
        job: Job,
        holder: &str,
        now: UnixTime,
        ttl_secs: u32,
    ) -> Result<Option<FencingToken>, DbError>;

    /// Takes the lease of a job away from whoever holds it, for somebody who wants the job run now. The former
    /// holder's token is old from this moment on.
    async fn seize_lease(
        &self,
        job: Job,
        holder: &str,
        now: UnixTime,
        ttl_secs: u32,
    ) -> Result<FencingToken, DbError>;

    /// Gives a lease back before its end. Idempotent; one that another holds by now stays with them.
    async fn release_lease(&self, lease: &Lease) -> Result<(), DbError>;

    /// Ends expired files and expired open uploads, at most `limit` of them, and dooms their blobs; the end of each
    /// file is an event of the audit log. Repeat until fewer than `limit` are answered. `None` if the lease is no longer held: stop.
    async fn doom_expired(&self, now: UnixTime, limit: u32, lease: &Lease)
    -> Result<Option<Doomed>, DbError>;

    /// Blobs that are to be deleted from their stores by now, longest doomed first, at most `limit` (1 to 1,000). They stay
    /// in this list until [`Jobs::forget_blobs`], so that a crash between forgets none.
    ///
    /// While somebody holds the lease of [`Job::Backup`] there are none: what is doomed waits, for it may be in the
    /// copy of the database whose blobs are being copied. What was answered before the lease was taken was doomed
    /// before that copy, and is in none.
    async fn doomed_blobs(&self, limit: u32, now: UnixTime) -> Result<Vec<BlobRef>, DbError>;

    /// Whether somebody holds the lease of [`Job::Backup`].
    async fn is_backup_running(&self, now: UnixTime) -> Result<bool, DbError>;

    /// Strikes blobs off the list of the doomed, after their deletion. Idempotent. At most 1,000.
    async fn forget_blobs(&self, blobs: &[BlobRef]) -> Result<(), DbError>;

    /// Those of `blobs` that belong to a part, a file or the list of the doomed. The orphan sweep deletes the
    /// others once they are 24 hours old. At most 1,000.
    async fn known_blobs(&self, blobs: &[BlobRef]) -> Result<HashSet<BlobRef>, DbError>;

    /// Forgets what nobody needs any more: void codes, dead sessions, lapsed invitations, ended windows of limits, old tickets and
    /// old knowledge of who could see expired files. Called now and then by one job. Idempotent.
    async fn purge(&self, now: UnixTime, keep: Retention) -> Result<Purged, DbError>;
}

/// A job of which one runs among all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Job {
    /// Ends what has expired, deletes doomed blobs and purges.
    Expiry,
    /// Finds blobs that nothing refers to.
    OrphanSweep,
    /// Seals events of the audit log into its chain.
    AuditSeal,
    /// Copies database and blobs; deletions wait meanwhile. A lease, so that a copy that crashed does not stop them
    /// for ever.
    Backup,
    /// Moves blobs from one store to another.
    BlobMove,
}

impl Job {
    /// The name under which its lease is kept.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expiry => "expiry",
            Self::OrphanSweep => "orphan-sweep",
            Self::AuditSeal => "audit-seal",
            Self::Backup => "backup",
            Self::BlobMove => "blob-move",
        }
    }
}

/// Grows with every change of holder, so that a late runner is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(pub u64);

/// A lease as its holder shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of which job.
    pub job: Job,
    /// The token that was given.
    pub token: FencingToken,
}

/// How much has been ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doomed {
    /// Files.
    pub files: u32,
    /// Open uploads.
    pub uploads: u32,
}

/// How long things are kept that have no use by themselves, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Tickets after their first use; at least the window of renewals.
    pub tickets_secs: u32,
    /// Who could see an expired file, so that they are told "expired" rather than "nothing".
    pub expired_secs: u32,
    /// That a file has left somebody's list, for whoever asks what changed.
    pub gone_secs: u32,
}

/// How much has been forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// One-time codes.
    pub codes: u64,
    /// Sessions with all their tokens.
    pub sessions: u64,
    /// Windows of limits.
    pub windows: u64,
    /// Tickets.
    pub tickets: u64,
    /// Grants to expired files.
    pub grants: u64,
}
