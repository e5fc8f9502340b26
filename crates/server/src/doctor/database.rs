//! The database: whether it opens, has this version's schema, and how long a durable commit takes.

use std::time::{Duration, Instant};

use db::{Database, DbError, Hit, SchemaVersions, UnixTime};
use tokio::time::timeout;

use super::Chart;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::database;
use crate::logging::chain;

/// Commits that are measured; the middle one counts.
const COMMITS: usize = 9;
const SLOW_COMMIT: Duration = Duration::from_millis(25);
const VERY_SLOW_COMMIT: Duration = Duration::from_millis(250);

/// What an operator can see to, in the words of the engine that is configured.
struct Words {
    open: &'static str,
    restore: &'static str,
    faster: &'static str,
    write: &'static str,
    silent: &'static str,
}

const SQLITE: Words = Words {
    open: "see to owner and mode of the file; if it is damaged, restore a backup (waxd admin restore)",
    restore: "restore a backup (waxd admin restore)",
    faster: "put the data folder on a faster disk (SSD with power-loss protection); each request that \
             changes something waits for one",
    write: "see to owner, mode and free space of the data folder",
    silent: "another process holds it: is a server that starts stopped or stuck (T or D in `ps ax`)? continue it \
             (kill -CONT) or end it; if there is none, see to the disk of the data folder",
};
const POSTGRES: Words = Words {
    open: "see that PostgreSQL runs, and that DATABASE_URL names it (postgres://USER:PASSWORD@HOST:PORT/NAME)",
    restore: "restore a dump of it (pg_restore)",
    faster: "give PostgreSQL a faster disk, or bring it nearer: each request that changes something waits for one",
    write: "see that the user of DATABASE_URL may write, and that PostgreSQL's disk has room",
    silent: "see that PostgreSQL answers, and who holds a lock there (pg_stat_activity): is a server that starts \
             stopped or stuck (T in `ps ax`)? continue it (kill -CONT) or end it",
};

/// Says also the newest moment that the database knows of.
pub(super) async fn look(config: &Config, chart: &mut Chart<'_>) -> Option<i64> {
    let (name, words) = match config.secrets.database_url() {
        Some(_) => ("PostgreSQL answers".to_owned(), &POSTGRES),
        None => {
            let path = config.storage.data.join(database::FILE);
            if !path.is_file() {
                let fix = "start `waxd serve` once with the same --data, which makes it";
                chart.red("opens", format!("{} is not there", path.display()), fix);
                return None;
            }
            (path.display().to_string(), &SQLITE)
        }
    };
    let (versions, newest) = match timeout(chart.patience, read(config)).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => {
            chart.red("opens", chain(&error), words.open);
            return None;
        }
        Err(_) => {
            chart.silent("opens", words.silent);
            return None;
        }
    };
    chart.green("opens", name);
    match versions {
        Ok(versions) if versions.applied == versions.known => {
            chart.green("schema", format!("version {}", versions.applied));
            commits(config, words, chart).await;
        }
        Ok(versions) if versions.applied > versions.known => {
            let seen =
                format!("version {}, newer than this waxd knows ({})", versions.applied, versions.known);
            chart.yellow("schema", seen, "run the doctor of the version that serves");
        }
        Ok(versions) => {
            let seen = format!("version {}, older than this waxd ({})", versions.applied, versions.known);
            let fix = "the next start of waxd serve brings it up to date; back it up before";
            chart.yellow("schema", seen, fix);
        }
        Err(error) => chart.red("schema", chain(&error), words.restore),
    }
    newest
}

/// What it says of its schema, and the newest moment that it knows of.
async fn read(config: &Config) -> Result<(Result<SchemaVersions, DbError>, Option<i64>), DbError> {
    let reading = database::open_read_only(config).await?;
    let (versions, newest) = (reading.schema_versions().await, reading.newest_batch().await);
    reading.close().await;
    Ok((versions, newest.ok().flatten().map(|newest| newest.link.last_time)))
}

/// Writes durably, as every acknowledged request does, and measures it.
async fn commits(config: &Config, words: &Words, chart: &mut Chart<'_>) {
    let measured = async {
        let db = database::open(config).await?;
        let took = measure(&*db).await;
        db.close().await;
        took
    };
    // Who opens it to write takes a turn, and waits for whoever has it however long that takes.
    let Ok(measured) = timeout(chart.patience, measured).await else {
        return chart.silent("commits", words.silent);
    };
    match measured {
        Ok(took) => {
            let seen = format!("a durable commit takes {:.1} ms", took.as_secs_f64() * 1_000.0);
            match took {
                _ if took >= VERY_SLOW_COMMIT => chart.red("commits", seen, words.faster),
                _ if took >= SLOW_COMMIT => chart.yellow("commits", seen, words.faster),
                _ => chart.green("commits", seen),
            }
        }
        Err(error @ DbError::NetworkFileSystem(_)) => {
            chart.red("commits", chain(&error), "move the data folder to a local disk");
        }
        Err(error) => chart.red("commits", chain(&error), words.write),
    }
}

async fn measure(db: &dyn Database) -> Result<Duration, DbError> {
    let mut took = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        // A row of the limits, which is tidied away when its minute has ended.
        let now = UnixTime(SystemClock.now());
        let hit = Hit { bucket: b"doctor".to_vec(), window_secs: 60, max: u32::MAX - 1, now };
        let begun = Instant::now();
        db.count_hit(hit).await?;
        took.push(begun.elapsed());
    }
    took.sort();
    Ok(took[COMMITS / 2])
}
