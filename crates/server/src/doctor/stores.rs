//! The database, the store of blobs, and Redis: whether each takes something, keeps it, and gives it back.

use std::time::{Duration, Instant};

use blobs::{BlobName, Blobs, LocalBlobs};
use bytes::Bytes;
use db::{Accounts as _, Audit as _, Database as _, DbError, Hit, Sqlite, UnixTime};
use futures::TryStreamExt as _;

use super::Chart;
use super::data::room;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, redis_address};
use crate::fleeting::Fleeting;
use crate::logging::chain;
use crate::secrets::Keys;

/// Commits that are measured; the middle one counts.
const COMMITS: usize = 9;
const SLOW_COMMIT: Duration = Duration::from_millis(25);
const VERY_SLOW_COMMIT: Duration = Duration::from_millis(250);
const BLOB_LEN: usize = 256 << 10;

/// Says also the newest moment that the database knows of.
pub(super) async fn database(config: &Config, chart: &mut Chart<'_>) -> Option<i64> {
    let path = config.storage.data.join("waxwing.db");
    if !path.is_file() {
        let fix = "start `waxd serve` once with the same --data, which makes it";
        chart.red("opens", format!("{} is not there", path.display()), fix);
        return None;
    }
    let reading = match Sqlite::open_read_only(&path).await {
        Ok(reading) => reading,
        Err(error) => {
            let fix =
                "see to owner and mode of the file; if it is damaged, restore a backup (waxd admin restore)";
            chart.red("opens", chain(&error), fix);
            return None;
        }
    };
    chart.green("opens", path.display().to_string());
    let (versions, newest) = (reading.schema_versions().await, reading.newest_batch().await);
    reading.close().await;
    match versions {
        Ok(versions) if versions.applied == versions.known => {
            chart.green("schema", format!("version {}", versions.applied));
            commits(&path, chart).await;
        }
        Ok(versions) if versions.applied > versions.known => {
            let seen =
                format!("version {}, newer than this waxd knows ({})", versions.applied, versions.known);
            chart.yellow("schema", seen, "run the doctor of the version that serves");
        }
        Ok(versions) => {
            let seen = format!("version {}, older than this waxd ({})", versions.applied, versions.known);
            chart.yellow(
                "schema",
                seen,
                "the next start of waxd serve brings it up to date; back it up before",
            );
        }
        Err(error) => chart.red("schema", chain(&error), "restore a backup (waxd admin restore)"),
    }
    newest.ok().flatten().map(|newest| newest.link.last_time)
}

/// Writes durably, as every acknowledged request does, and measures it.
async fn commits(path: &std::path::Path, chart: &mut Chart<'_>) {
    let measured = async {
        let db = Sqlite::open(path).await?;
        let mut took = Vec::with_capacity(COMMITS);
        for _ in 0..COMMITS {
            // A row of the limits, which is tidied away when its minute has ended.
            let now = UnixTime(SystemClock.now());
            let hit = Hit { bucket: b"doctor".to_vec(), window_secs: 60, max: u32::MAX - 1, now };
            let begun = Instant::now();
            db.count_hit(hit).await?;
            took.push(begun.elapsed());
        }
        db.close().await;
        took.sort();
        Ok::<_, DbError>(took[COMMITS / 2])
    };
    match measured.await {
        Ok(took) => {
            let seen = format!("a durable commit takes {:.1} ms", took.as_secs_f64() * 1_000.0);
            let fix = "put the data folder on a faster disk (SSD with power-loss protection); each request that \
                       changes something waits for one";
            match took {
                _ if took >= VERY_SLOW_COMMIT => chart.red("commits", seen, fix),
                _ if took >= SLOW_COMMIT => chart.yellow("commits", seen, fix),
                _ => chart.green("commits", seen),
            }
        }
        Err(error @ DbError::NetworkFileSystem(_)) => {
            chart.red("commits", chain(&error), "move the data folder to a local disk");
        }
        Err(error) => {
            chart.red("commits", chain(&error), "see to owner, mode and free space of the data folder");
        }
    }
}

/// The stores of blobs that are configured.
pub(super) async fn blobs(config: &Config, chart: &mut Chart<'_>) {
    let dir = config.storage.blob_dir();
    if !dir.is_dir() {
        let fix = "start `waxd serve` once, which makes it; if it was there, mount it or restore a backup";
        return chart.red("folder", format!("{} is not there", dir.display()), fix);
    }
    let begun = Instant::now();
    let kept = async {
        let store = LocalBlobs::open(&dir).await.map_err(|error| chain(&error))?;
        keeps(&store).await
    };
    match kept.await {
        Ok(()) => {
            let seen = format!("a blob was written, read and deleted in {} ms", begun.elapsed().as_millis());
            chart.green("folder", seen);
        }
        Err(why) => {
            let seen = format!("{}: {why}", dir.display());
            chart.red("folder", seen, "see to owner, mode and free space of the folder");
        }
    }
    room("folder_room", &dir, chart);
}

/// Whether a store gives back what it took. What a fault leaves behind is swept up as an orphan.
async fn keeps(store: &dyn Blobs) -> Result<(), String> {
    let name = BlobName::generate();
    let octets: Bytes = crate::random::bytes::<32>().repeat(BLOB_LEN / 32).into();
    let there_and_back = async {
        let mut writer = store.create(name).await?;
        writer.write(octets.clone()).await?;
        writer.commit().await?;
        let read: Vec<Bytes> = store.read(name, 0..octets.len() as u64).await?.try_collect().await?;
        store.delete(name).await?;
        Ok::<_, blobs::BlobError>(read.concat() == octets)
    };
    match there_and_back.await {
        Ok(true) => Ok(()),
        Ok(false) => Err("what was read is not what was written".to_owned()),
        Err(error) => Err(chain(&error)),
    }
}

pub(super) async fn redis(config: &Config, keys: Option<&Keys>, chart: &mut Chart<'_>) {
    let (Some(url), Some(keys)) = (redis_address(config.secrets.redis_url.as_ref()), keys) else { return };
    let fix = "see to REDIS_URL (redis://HOST:PORT, rediss:// for TLS, with REDIS_CA for an authority of your own); the \
               server works without it, only slower";
    let mut patient = config.clone();
    patient.redis.patience = Duration::from_secs(2);
    let fleeting = match Fleeting::open(&patient, keys).await {
        Ok(Some(fleeting)) => fleeting,
        Ok(None) => return,
        Err(error) => return chart.red("answers", chain(&error), fix),
    };
    let begun = Instant::now();
    match fleeting.try_out().await {
        Ok(()) => {
            let took = begun.elapsed();
            let seen = format!("it keeps and gives back, in {:.1} ms", took.as_secs_f64() * 1_000.0);
            if took > config.redis.patience {
                let fix = "the server waits for it no longer than 40 ms: put it nearer";
                chart.yellow("answers", seen, fix);
            } else {
                chart.green("answers", seen);
            }
        }
        Err(why) => return chart.red("answers", why, fix),
    }
    let is_near = url::Url::parse(url).ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        Some(host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback()))
    });
    if url.starts_with("redis://") && is_near != Some(true) {
        chart.yellow(
            "protected",
            "its password and what the server tells it travel in clear",
            "use rediss:// (TLS), or a network of your own",
        );
    } else {
        chart.green("protected", "TLS, or on this machine");
    }
}
