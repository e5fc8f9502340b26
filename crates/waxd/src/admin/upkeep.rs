//! `waxd admin gc|orphans|scrub`: what lies in the storage, and whether it is what it should be.

use std::error::Error;
use std::process::ExitCode;

use serde_json::json;
use server::admin::{Damaged, Piece, Upkeep};
use server::config::Storage;

use super::size::told;
use super::{BROKEN, Outcome, with_config};

#[derive(clap::Args)]
pub(super) struct GcArgs {
    #[command(flatten)]
    storage: Storage,
    /// Print one JSON object instead of words
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct OrphansArgs {
    #[command(flatten)]
    storage: Storage,
    /// Print lines of JSON instead of words: one for each orphan, the last one with the totals
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct ScrubArgs {
    #[command(flatten)]
    storage: Storage,
    /// Print lines of JSON instead of words: one for each finding, the last one with the totals
    #[arg(long)]
    json: bool,
}

pub(super) fn gc(args: GcArgs) -> Outcome {
    let report = with_upkeep(args.storage, async |upkeep| Ok(upkeep.gc().await?))?;
    let (done, waiting) = (report.done, report.waiting_blobs);
    if args.json {
        let value = json!({
            "expired_files": done.expired_files,
            "expired_uploads": done.expired_uploads,
            "deleted_blobs": done.deleted_blobs,
            "orphans": done.orphans,
            "waiting_blobs": waiting,
        });
        println!("{value}");
        return Ok(ExitCode::SUCCESS);
    }
    println!("files expired      {}", done.expired_files);
    println!("uploads ended      {}", done.expired_uploads);
    println!("blobs deleted      {}", done.deleted_blobs);
    println!("orphans swept up   {}", done.orphans);
    if waiting > 0 {
        println!("blobs that wait    {waiting}");
        eprintln!("note: a backup is running; what is left is deleted when it has ended");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn orphans(args: OrphansArgs) -> Outcome {
    let each = |blob: &server::admin::Orphan| {
        let (name, len, modified) = (blob.name.to_string(), blob.len, blob.modified);
        if args.json {
            println!("{}", json!({ "type": "orphan", "blob": name, "bytes": len, "modified": modified }));
        } else {
            println!("{name}  {len} bytes  {}", super::sessions::moment(modified));
        }
    };
    let totals = with_upkeep(args.storage, async |upkeep| Ok(upkeep.orphans(each).await?))?;
    if args.json {
        let (orphans, bytes, young) = (totals.orphans, totals.bytes, totals.young);
        println!("{}", json!({ "type": "total", "orphans": orphans, "bytes": bytes, "young": young }));
    } else {
        eprintln!(
            "{} orphans, {}; {} blobs are younger than 24 hours and not looked at",
            totals.orphans,
            told(totals.bytes),
            totals.young
        );
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn scrub(args: ScrubArgs) -> Outcome {
    let each = |damaged: &Damaged| tell(damaged, args.json);
    let report = with_upkeep(args.storage, async |upkeep| Ok(upkeep.scrub(each).await?))?;
    if args.json {
        let (files, blobs, bytes) = (report.files, report.blobs, report.bytes);
        let damaged = report.damaged;
        println!(
            "{}",
            json!({ "type": "total", "files": files, "blobs": blobs, "bytes": bytes, "damaged": damaged })
        );
    } else {
        println!("read     {} files, {} blobs, {}", report.files, report.blobs, told(report.bytes));
        if report.damaged == 0 {
            println!("everything is as it was recorded");
        } else {
            println!("{} pieces are damaged or missing; a backup may hold them whole", report.damaged);
        }
    }
    Ok(if report.damaged == 0 { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}

/// One finding.
pub(super) fn tell(damaged: &Damaged, as_json: bool) {
    let Damaged { file_id, piece, damage } = damaged;
    if as_json {
        let part = match piece {
            Piece::Part(n) => json!(n),
            Piece::Leaves => json!("leaves"),
            Piece::Whole => json!(null),
        };
        println!(
            "{}",
            json!({ "type": "damaged", "file": file_id, "part": part, "damage": damage.as_str() })
        );
        return;
    }
    let piece = match piece {
        Piece::Part(n) => format!("part {n}"),
        Piece::Leaves => "leaves".to_owned(),
        Piece::Whole => "whole".to_owned(),
    };
    println!("damaged  {file_id}  {piece}  {}", damage.as_str());
}

fn with_upkeep<T>(
    storage: Storage,
    work: impl AsyncFnOnce(&Upkeep) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    with_config(storage, None, async |config| {
        let upkeep = Upkeep::open(&config).await?;
        let outcome = work(&upkeep).await;
        upkeep.close().await;
        outcome
    })
}
