//! Counted limits: one hit for each request, in the database, so that they hold over all servers that share it.

use db::{Hit, HitAnswer};

use crate::error::{Answer, Refusal};
use crate::state::App;

const HOUR: u32 = 3_600;
const DAY: u32 = 86_400;

/// What is counted, and how much of it there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Its name, in the bucket and in the reply's `RateLimit`.
    pub(crate) name: &'static str,
    /// Hits in one window, at most.
    pub(crate) max: u32,
    /// Length of a window in seconds.
    pub(crate) window_secs: u32,
}

impl Limit {
    pub(crate) const fn hourly(name: &'static str, max: u32) -> Self {
        Self { name, max, window_secs: HOUR }
    }

    pub(crate) const fn daily(name: &'static str, max: u32) -> Self {
        Self { name, max, window_secs: DAY }
    }

    /// Counts a hit of a subject (an account's id, a network address), and refuses it above the limit.
    pub(crate) async fn count(self, app: &App, subject: &[u8]) -> Answer<()> {
        let hit = Hit {
            bucket: app.keys.bucket(self.name, subject),
            window_secs: self.window_secs,
            max: self.max,
            now: app.time(),
        };
        match app.db.count_hit(hit).await? {
            HitAnswer::Allowed { .. } => Ok(()),
            HitAnswer::TooMany { retry_after_secs } => Err(Refusal::too_many(self, retry_after_secs)),
        }
    }
}
