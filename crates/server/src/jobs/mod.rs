//! What the server does by itself: ends what has expired, deletes blobs, sweeps up orphans, seals the audit log, renews
//! its certificate.

pub(crate) mod expiry;
mod notices;
pub(crate) mod orphans;

use std::sync::Arc;
use std::time::Duration;

use db::{Database, DbError, Job, Lease, UnixTime};
use tokio_util::sync::CancellationToken;

use crate::audit;
use crate::clock::Clock;
use crate::database::in_time;
use crate::fleeting;
use crate::live;
use crate::state::App;
use crate::stores::{StoreError, Stores};
use crate::tls::Authority;

const EXPIRY_EVERY: Duration = Duration::from_secs(60);
/// Sealing takes a moment; when a server was killed another soon takes over.
const SEAL_LEASE_SECONDS: u32 = 60;
/// What is younger than this may still be cut from the end of the audit log unseen.
const SEAL_EVERY: Duration = Duration::from_secs(30);
const SWEEP_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// How soon a letter that is due is on its way.
const NOTICES_EVERY: Duration = Duration::from_secs(15);
const RENEWAL_EVERY: Duration = Duration::from_secs(3_600);
/// A lease outlives the pause between two runs, so that one runner keeps at it.
const LEASE_SECONDS: u32 = 300;

/// Why a run of a job ended early. It is tried again at its next time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] DbError),
    /// A store of blobs failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What one run of all jobs did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobReport {
    /// Files that expired.
    pub expired_files: u64,
    /// Unfinished uploads that ended.
    pub expired_uploads: u64,
    /// Blobs deleted because their file or upload ended.
    pub deleted_blobs: u64,
    /// Blobs that could not be deleted now; they are tried again later.
    pub put_off_blobs: u64,
    /// Blobs deleted because nothing refers to them.
    pub orphans: u64,
}

/// What the jobs on files and blobs stand on: a server, or an operator beside it.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) db: &'a dyn Database,
    pub(crate) stores: &'a Stores,
    pub(crate) clock: &'a dyn Clock,
}

impl<'a> Ground<'a> {
    fn of(app: &'a App) -> Self {
        Self { db: &*app.db, stores: &app.stores, clock: &*app.clock }
    }

    pub(crate) fn now(&self) -> UnixTime {
        UnixTime(self.clock.now())
    }
}

/// The lease of a job, in the hands of one runner. It is prolonged while the job works; a runner that has lost it stops.
pub(crate) struct Held<'a> {
    pub(crate) ground: Ground<'a>,
    holder: &'a str,
    pub(crate) lease: Lease,
}

impl<'a> Held<'a> {
    /// The lease, unless another has it.
    pub(crate) async fn take(
        ground: Ground<'a>,
        job: Job,
        holder: &'a str,
    ) -> Result<Option<Self>, JobError> {
        ground.db.ping().await?;
        let token = in_time(ground.db.take_lease(job, holder, ground.now(), LEASE_SECONDS)).await?;
        Ok(token.map(|token| Self { ground, holder, lease: Lease { job, token } }))
    }

    /// The lease, whoever has it.
    pub(crate) async fn seize(ground: Ground<'a>, job: Job, holder: &'a str) -> Result<Self, DbError> {
        ground.db.ping().await?;
        let token = in_time(ground.db.seize_lease(job, holder, ground.now(), LEASE_SECONDS)).await?;
        Ok(Self { ground, holder, lease: Lease { job, token } })
    }

    /// Prolongs it. `false` once another has it, or had it meanwhile: what that one did is not known here.
    pub(crate) async fn still(&self) -> Result<bool, JobError> {
        let ground = self.ground;
        ground.db.ping().await?;
        let prolonged = ground.db.take_lease(self.lease.job, self.holder, ground.now(), LEASE_SECONDS);
        let token = in_time(prolonged).await?;
        Ok(token == Some(self.lease.token))
    }
}

/// One run of every job, where no other server holds its lease.
pub(crate) async fn run_all(app: &App, holder: &str) -> Result<JobReport, JobError> {
    let mut report = JobReport::default();
    if let Some(held) = Held::take(Ground::of(app), Job::Expiry, holder).await? {
        expiry::run(&held, &mut report).await?;
    }
    if let Some(held) = Held::take(Ground::of(app), Job::OrphanSweep, holder).await? {
        report.orphans = orphans::run(&held).await?;
    }
    seal(app, holder).await?;
    notices::run(app).await?;
    Ok(report)
}

/// Runs every job at its pace until told to stop.
pub(crate) async fn keep_running(
    app: App,
    holder: String,
    authority: Option<Arc<Authority>>,
    stop: CancellationToken,
) {
    let work = async {
        futures::join!(
            keep_expiring(&app, &holder),
            keep_sweeping(&app, &holder),
            keep_sealing(&app, &holder),
            keep_writing(&app),
            live::keep_looking(&app),
            fleeting::keep_telling(&app),
            fleeting::keep_hearing(&app),
            keep_renewing(&app, authority)
        )
    };
    tokio::select! {
        _ = work => {}
        () = stop.cancelled() => {}
    }
}

async fn keep_expiring(app: &App, holder: &str) {
    let mut steadiness = Steadiness::new(app.now());
    loop {
        let run = async {
            // Expired files cannot be had in any case; what is deleted cannot be had again when the clock is set right.
            if steadiness.is_in_doubt(app.now()) {
                tracing::error!("the clock was set forward; nothing is deleted for an hour");
            } else if let Some(held) = Held::take(Ground::of(app), Job::Expiry, holder).await? {
                let mut report = JobReport::default();
                expiry::run(&held, &mut report).await?;
                if report != JobReport::default() {
                    live::stirred(app);
                    tracing::info!(
                        files = report.expired_files,
                        uploads = report.expired_uploads,
                        blobs = report.deleted_blobs,
                        "ended what had expired"
                    );
                }
            }
            Ok::<_, JobError>(())
        };
        note(app, Job::Expiry.as_str(), run.await);
        tokio::time::sleep(EXPIRY_EVERY).await;
    }
}

/// Whether the time of day goes on as time does.
struct Steadiness {
    seen: (std::time::Instant, i64),
    doubted: Option<std::time::Instant>,
}

/// By how much the time of day may be set forward at once without anybody minding.
const STEP_SECONDS: i64 = 600;
/// How long a clock that was set forward is not believed: an operator, or the time service, sees it meanwhile.
const DOUBT: Duration = Duration::from_secs(3_600);

impl Steadiness {
    fn new(wall: i64) -> Self {
        Self { seen: (std::time::Instant::now(), wall), doubted: None }
    }

    /// Looks at the time of day. A machine that slept looks like one whose clock was set; there is no harm in waiting then.
    fn is_in_doubt(&mut self, wall: i64) -> bool {
        let now = std::time::Instant::now();
        let passed = i64::try_from(now.duration_since(self.seen.0).as_secs()).unwrap_or(i64::MAX);
        let ahead = wall.saturating_sub(self.seen.1).saturating_sub(passed);
        self.seen = (now, wall);
        if ahead > STEP_SECONDS {
            self.doubted = Some(now);
        } else if ahead < -STEP_SECONDS {
            // It was set back: what was wrong is right again.
            self.doubted = None;
        }
        self.doubted.is_some_and(|since| since.elapsed() < DOUBT)
    }
}

async fn keep_sweeping(app: &App, holder: &str) {
    loop {
        let run = async {
            let Some(held) = Held::take(Ground::of(app), Job::OrphanSweep, holder).await? else {
                return Ok(false);
            };
            let orphans = orphans::run(&held).await?;
            if orphans > 0 {
                tracing::info!(blobs = orphans, "swept up blobs that nothing refers to");
            }
            Ok::<_, JobError>(true)
        };
        // A lease may be that of a server that was killed a moment ago, this one's former self: not six hours for that.
        let pause = match run.await {
            Ok(true) => {
                note(app, Job::OrphanSweep.as_str(), Ok(()));
                SWEEP_EVERY
            }
            Ok(false) => Duration::from_secs(LEASE_SECONDS.into()),
            Err(error) => {
                note(app, Job::OrphanSweep.as_str(), Err(error));
                SWEEP_EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn keep_sealing(app: &App, holder: &str) {
    loop {
        note(app, Job::AuditSeal.as_str(), seal(app, holder).await);
        tokio::time::sleep(SEAL_EVERY).await;
    }
}

async fn keep_writing(app: &App) {
    loop {
        note(app, "letters", notices::run(app).await.map(drop));
        tokio::time::sleep(NOTICES_EVERY).await;
    }
}

async fn seal(app: &App, holder: &str) -> Result<(), JobError> {
    // Where nothing happened there is no lease to write.
    if audit::seal::is_due(app).await?
        && let Some(token) =
            in_time(app.db.take_lease(Job::AuditSeal, holder, app.time(), SEAL_LEASE_SECONDS)).await?
    {
        audit::seal::run(app, &Lease { job: Job::AuditSeal, token }).await?;
    }
    Ok(())
}

async fn keep_renewing(app: &App, authority: Option<Arc<Authority>>) {
    let Some(authority) = authority else { return };
    loop {
        match authority.renew(app.now()) {
            Ok(false) => {}
            Ok(true) => tracing::info!("the development certificate was renewed"),
            Err(error) => tracing::error!(cause = %error, "the development certificate could not be renewed"),
        }
        tokio::time::sleep(RENEWAL_EVERY).await;
    }
}

fn note(app: &App, job: &'static str, outcome: Result<(), JobError>) {
    app.metrics.ran(job, app.now(), outcome.is_ok());
    if let Err(error) = outcome {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(job, error = %error, cause, "a job ended early and will be tried again");
    }
}
