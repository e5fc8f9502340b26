//! What Redis keeps for all servers of an instance for a short while: hits that the database counted ahead, and the word that
//! something happened.
//!
//! The database stays in charge of both. What Redis forgets makes a limit narrower or news later, what it makes up is not
//! believed, and while it is away or slow it is not asked: requests go on as they do without it.

mod hints;
mod link;
mod probe;
mod units;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use db::UnixTime;
use redis::{RedisError, Script};
use tokio::sync::Notify;
use tokio::time::timeout;

use self::link::{Line, Link};
use self::probe::Probe;
use self::units::{BLOCK_MAX, Doubt, Element, Units};
use crate::config::{Config, redis_address};
use crate::secrets::Keys;

pub(crate) use hints::{Hearing, keep_hearing, keep_telling};

/// How long the last word about a bucket outlives its window, for servers whose clocks differ.
const LINGER_SECONDS: u32 = 60;

/// Why Redis cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisSetupError {
    /// The file of its authority.
    #[error("REDIS_CA: {} cannot be read", path.display())]
    Ca {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its address, or TLS for it.
    #[error("REDIS_URL or REDIS_CA cannot be used")]
    Client,
}

/// One hit asked of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The database had counted it; it is this request's alone.
    One,
    /// The database had said that there are no more until then.
    Spent {
        /// Until when.
        ends: UnixTime,
    },
    /// There is nothing about the bucket.
    Nothing,
    /// Redis was not asked, or did not answer in time, or nonsense.
    Away,
}

/// The short-lived state of an instance, kept in Redis.
pub(crate) struct Fleeting {
    link: Link,
    units: Units,
    take: Script,
    put: Script,
    prefix: String,
    /// Names this server in its words to others.
    own: String,
    patience: Duration,
    /// How often whoever watches is looked for anyway.
    pub(crate) look_every: Duration,
    limits_from: u32,
    news: Notify,
    pub(crate) counts: Counts,
}

/// How often what happened.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Hits taken out of Redis.
    pub(crate) taken: AtomicU64,
    /// Refusals by Redis's word.
    pub(crate) refused: AtomicU64,
    /// Requests to Redis that failed or took too long.
    pub(crate) failed: AtomicU64,
    /// Answers that were not believed.
    pub(crate) disbelieved: AtomicU64,
}

impl Fleeting {
    /// Gets ready, if Redis is configured, and looks for it once. A Redis that is away is no reason not to start.
    pub(crate) async fn open(config: &Config, keys: &Keys) -> Result<Option<Self>, RedisSetupError> {
        let Some(url) = redis_address(config.secrets.redis_url.as_ref()) else { return Ok(None) };
        // Two instances may share a Redis.
        let prefix: String =
            keys.redis_key(b"prefix")[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let link = Link::new(url, &config.redis, Probe::new(&prefix))?;
        link.connect().await;
        Ok(Some(Self {
            link,
            units: Units::new(&keys.redis_key(b"hits")),
            take: Script::new(include_str!("take.lua")),
            put: Script::new(include_str!("put.lua")),
            prefix,
            own: uuid::Uuid::from_bytes(crate::random::uuid()).to_string(),
            patience: config.redis.patience,
            look_every: config.redis.look_every,
            limits_from: config.redis.limits_from,
            news: Notify::new(),
            counts: Counts::default(),
        }))
    }

    /// Whether hits of such a limit go by Redis. Small ones stay in the database: nothing would be won.
    pub(crate) fn serves(&self, max: u32) -> bool {
        max >= self.limits_from && self.link.is_up()
    }

    /// Whether Redis answered when it was last asked, and is to be used.
    pub(crate) fn is_up(&self) -> bool {
        self.link.is_up()
    }

    /// How many hits of a limit are counted ahead at once.
    pub(crate) fn block_of(max: u32) -> u32 {
        (max / 10).clamp(1, BLOCK_MAX)
    }

    /// Takes one hit of a bucket.
    pub(crate) async fn take(&self, bucket: &[u8], window: u32, now: UnixTime) -> Taken {
        let Some(line) = self.link.line() else { return Taken::Away };
        let mut connection = line.connection.clone();
        let mut asked = self.take.prepare_invoke();
        asked.key(self.key(&line, bucket)).arg(now.0);
        let asking = asked.invoke_async::<Option<String>>(&mut connection);
        let Some(found) = self.answered(&line, asking).await else { return Taken::Away };
        let Some(found) = found else { return Taken::Nothing };
        match self.units.judge(bucket, &found, window, now) {
            Ok(Element::One) => {
                self.counts.taken.fetch_add(1, Ordering::Relaxed);
                Taken::One
            }
            Ok(Element::Spent { ends }) => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                Taken::Spent { ends }
            }
            Err(Doubt::Full) => Taken::Away,
            Err(Doubt::Lie) => {
                self.counts.disbelieved.fetch_add(1, Ordering::Relaxed);
                self.link.lose(&line, "it answered what no server of this instance told it");
                Taken::Away
            }
        }
    }

    /// Puts hits that the database counted ahead where every server finds them. If that fails they are lost.
    pub(crate) async fn put(&self, bucket: &[u8], hits: u32, now: UnixTime, reset_secs: u32) {
        if hits > 0 {
            let block = self.units.block(bucket, hits, now.plus(reset_secs.into()));
            self.tell(bucket, &block, "block", reset_secs).await;
        }
    }

    /// Says that the database has no more of a bucket, so that it need not be asked again.
    pub(crate) async fn spend(&self, bucket: &[u8], now: UnixTime, reset_secs: u32) {
        self.tell(bucket, &Units::spent(now.plus(reset_secs.into())), "spent", reset_secs).await;
    }

    async fn tell(&self, bucket: &[u8], element: &str, kind: &str, reset_secs: u32) {
        let Some(line) = self.link.line() else { return };
        let mut connection = line.connection.clone();
        let mut told = self.put.prepare_invoke();
        told.key(self.key(&line, bucket))
            .arg(element)
            .arg(kind)
            .arg(reset_secs.saturating_add(LINGER_SECONDS));
        let telling = told.invoke_async::<i64>(&mut connection);
        self.answered(&line, telling).await;
    }

    /// The answer, unless it fails or comes too late; then Redis is left alone for a while.
    async fn answered<T>(
        &self,
        line: &Line,
        asking: impl Future<Output = Result<T, RedisError>>,
    ) -> Option<T> {
        let why = match timeout(self.patience, asking).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => link::in_words(&error),
            Err(_) => "it took too long",
        };
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        self.link.lose(line, why);
        None
    }

    /// Whether it does all that is asked of it, for the doctor.
    pub(crate) async fn try_out(&self) -> Result<(), &'static str> {
        let (bucket, now) = (crate::random::bytes::<16>(), UnixTime(1));
        self.put(&bucket, 1, now, 60).await;
        let taken = self.take(&bucket, 60, now).await;
        let emptied = self.take(&bucket, 60, now).await;
        match (taken, emptied) {
            (Taken::One, Taken::Nothing) => Ok(()),
            _ => Err(self.link.said().unwrap_or("it did not give back what it was given")),
        }
    }

    /// Names a bucket for this memory of Redis: after a restart or a change of master, out of which something old could
    /// come back, everything has other names.
    fn key(&self, line: &Line, bucket: &[u8]) -> Vec<u8> {
        [b"waxwing:", self.prefix.as_bytes(), b":", line.memory.as_bytes(), b":", bucket].concat()
    }

    fn channel(&self) -> String {
        format!("waxwing:{}:news", self.prefix)
    }
}
