//! The store of blobs, and Redis: whether each takes something, keeps it, and gives it back.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blobs::{BlobName, Blobs, LocalBlobs, MemoryBlobs};
use bytes::Bytes;
use futures::TryStreamExt as _;
use tokio::time::timeout;

use super::Chart;
use super::data::room;
use crate::config::{Config, redis_address};
use crate::fleeting::Fleeting;
use crate::logging::chain;
use crate::secrets::Keys;
use crate::stores::{StoreName, Stores};

const BLOB_LEN: usize = 256 << 10;

/// The stores of blobs that are configured.
pub(super) async fn blobs(config: &Config, chart: &mut Chart<'_>) {
    for dir in config.storage.blob_dirs() {
        folder(&dir, chart).await;
    }
    // A stand-in for the folders, which were looked at one by one and are not made here.
    let folders: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let stores = match Stores::open(config, vec![(StoreName::Local, folders)]).await {
        Ok(stores) => stores,
        Err(error) => {
            let fix = "change what it names; waxd serve refuses to start so";
            return chart.red("stores", chain(&error), fix);
        }
    };
    for shelf in stores.all().iter().filter(|shelf| shelf.name != StoreName::Local) {
        if shelf.name == StoreName::Ipfs {
            // Nothing is published to try it.
            let fix = "see to IPFS_API, and that the daemon runs";
            match timeout(chart.patience, shelf.blobs.health()).await {
                Ok(Ok(_)) => chart.green("ipfs", "the daemon answers"),
                Ok(Err(error)) => chart.red("ipfs", chain(&error), fix),
                Err(_) => chart.silent("ipfs", fix),
            }
            continue;
        }
        let begun = Instant::now();
        match timeout(chart.patience, keeps(&*shelf.blobs)).await {
            Ok(Ok(())) => chart.green("s3", kept_in(begun)),
            Err(_) => {
                let fix = "see to S3_ENDPOINT, and that the store behind it runs and a firewall lets its answers through";
                chart.silent("s3", fix);
            }
            Ok(Err(why)) => {
                let fix = "see to S3_BUCKET, endpoint, region and keys, and that the keys may read, write and delete there";
                chart.red("s3", why, fix);
            }
        }
    }
}

fn kept_in(begun: Instant) -> String {
    format!("a blob was written, read and deleted in {} ms", begun.elapsed().as_millis())
}

async fn folder(dir: &Path, chart: &mut Chart<'_>) {
    const SILENT: &str = "see to the disk or the mount that it is on";
    let Ok(found) = timeout(chart.patience, tokio::fs::metadata(dir)).await else {
        return chart.silent("folder", SILENT);
    };
    if !found.is_ok_and(|found| found.is_dir()) {
        let fix = "start `waxd serve` once, which makes it; if it was there, mount it or restore a backup \
                   (of several folders: waxd admin scrub --repair)";
        return chart.red("folder", format!("{} is not there", dir.display()), fix);
    }
    let begun = Instant::now();
    let kept = async {
        let store = LocalBlobs::open(dir).await.map_err(|error| chain(&error))?;
        keeps(&store).await
    };
    match timeout(chart.patience, kept).await {
        Ok(Ok(())) => chart.green("folder", kept_in(begun)),
        // Asking it for room would hang as well.
        Err(_) => return chart.silent("folder", SILENT),
        Ok(Err(why)) => {
            let seen = format!("{}: {why}", dir.display());
            chart.red("folder", seen, "see to owner, mode and free space of the folder");
        }
    }
    room("folder_room", dir, chart);
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
