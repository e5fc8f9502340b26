//! What a server counts of itself, for whoever looks after it. No label of it is an id, an address or a name: they are fixed words.

mod class;
mod page;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use db::Stats;
use tokio::time::Instant;

pub(crate) use class::class_of;
pub(crate) use page::admin_router;

/// Upper ends of the steps by which durations are counted, in seconds.
const STEPS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];
/// How long totals over everybody are good: they are dear, and scraping is frequent.
const TOTALS_LIVE: Duration = Duration::from_secs(30);

/// Everything that is counted.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    routes: Mutex<BTreeMap<&'static str, Route>>,
    limits: Mutex<BTreeMap<&'static str, u64>>,
    jobs: Mutex<BTreeMap<&'static str, JobRuns>>,
    totals: Mutex<Option<(Instant, Stats)>>,
    under_way: AtomicI64,
    database_busy: AtomicU64,
    parts: AtomicU64,
    letters_sent: AtomicU64,
    letters_failed: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct Route {
    steps: [u64; STEPS.len()],
    count: u64,
    seconds: f64,
    bytes_in: u64,
    bytes_out: u64,
}

#[derive(Clone, Copy, Default)]
struct JobRuns {
    last: i64,
    failed: u64,
}

/// A request that was answered.
pub(crate) struct Answered {
    pub(crate) class: &'static str,
    pub(crate) status: u16,
    pub(crate) took: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// A request under way; counted until it is dropped, however it ends.
pub(crate) struct UnderWay<'a>(&'a Metrics);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    pub(crate) fn answered(&self, answered: &Answered) {
        *lock(&self.requests).entry((answered.class, answered.status)).or_default() += 1;
        let mut routes = lock(&self.routes);
        let route = routes.entry(answered.class).or_default();
        let seconds = answered.took.as_secs_f64();
        if let Some(step) = STEPS.iter().position(|end| seconds <= *end) {
            route.steps[step] += 1;
        }
        route.count += 1;
        route.seconds += seconds;
        route.bytes_in = route.bytes_in.saturating_add(answered.bytes_in);
        route.bytes_out = route.bytes_out.saturating_add(answered.bytes_out);
    }

    /// A limit refused somebody.
    pub(crate) fn refused(&self, limit: &'static str) {
        *lock(&self.limits).entry(limit).or_default() += 1;
    }

    /// The database kept a request waiting for too long.
    pub(crate) fn database_was_busy(&self) {
        self.database_busy.fetch_add(1, Ordering::Relaxed);
    }

    /// Parts of uploads became durable.
    pub(crate) fn parts_arrived(&self, parts: u64) {
        self.parts.fetch_add(parts, Ordering::Relaxed);
    }

    /// What became of a letter.
    pub(crate) fn letter<T, E>(&self, outcome: &Result<T, E>) {
        let counter = if outcome.is_ok() { &self.letters_sent } else { &self.letters_failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A job ran here to its end, or failed.
    pub(crate) fn ran(&self, job: &'static str, now: i64, is_good: bool) {
        let mut jobs = lock(&self.jobs);
        let runs = jobs.entry(job).or_default();
        if is_good {
            runs.last = now;
        } else {
            runs.failed += 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
