//! Counted limits: one hit for each request, in the database, so that they hold over all servers that share it. Where there is
//! Redis, the database counts some hits ahead and servers take them from there.

use db::{DbError, Hit, HitAnswer};

use crate::error::{Answer, Refusal};
use crate::fleeting::{Fleeting, Taken};
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
        match take(app, hit).await? {
            Outcome::Taken => Ok(()),
            Outcome::Refused { seconds } => Err(Refusal::too_many(self, seconds)),
            Outcome::RefusedAgain { seconds } => Err(Refusal::too_many(self, seconds).said_again()),
        }
    }
}

/// What became of a hit.
enum Outcome {
    Taken,
    /// By the word of the database, for so many seconds.
    Refused {
        seconds: u32,
    },
    /// The database had said it before, and Redis keeps it.
    RefusedAgain {
        seconds: u32,
    },
}

/// Takes a hit, or says how many seconds there will be none.
///
/// A request is let through only for a hit that the database counted, in its own window, and no hit lets two through: what
/// Redis loses is never given back.
async fn take(app: &App, hit: Hit) -> Result<Outcome, DbError> {
    let Some(shared) = app.fleeting.as_ref().filter(|shared| shared.serves(hit.max)) else {
        return count(app, hit).await;
    };
    match shared.take(&hit.bucket, hit.window_secs, hit.now).await {
        Taken::One => return Ok(Outcome::Taken),
        Taken::Spent { ends } => {
            return Ok(Outcome::RefusedAgain { seconds: hit.now.seconds_until(ends).max(1) });
        }
        Taken::Away => return count(app, hit).await,
        Taken::Nothing => {}
    }
    let block = Fleeting::block_of(hit.max);
    // The last hits are counted one by one, so that nobody is refused while a block is on its way to Redis.
    let ahead = Hit { max: hit.max - block, ..hit.clone() };
    if let Some(reset_secs) = app.db.reserve_hits(ahead, block).await? {
        shared.put(&hit.bucket, block - 1, hit.now, reset_secs).await;
        return Ok(Outcome::Taken);
    }
    let (bucket, window, now) = (hit.bucket.clone(), hit.window_secs, hit.now);
    let Outcome::Refused { seconds } = count(app, hit).await? else { return Ok(Outcome::Taken) };
    // Another server may have put some there since.
    if shared.take(&bucket, window, now).await == Taken::One {
        return Ok(Outcome::Taken);
    }
    shared.spend(&bucket, now, seconds).await;
    Ok(Outcome::Refused { seconds })
}

async fn count(app: &App, hit: Hit) -> Result<Outcome, DbError> {
    Ok(match app.db.count_hit(hit).await? {
        HitAnswer::Allowed { .. } => Outcome::Taken,
        HitAnswer::TooMany { retry_after_secs: seconds } => Outcome::Refused { seconds },
    })
}
