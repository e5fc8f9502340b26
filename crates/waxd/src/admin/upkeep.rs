//! `waxd admin gc|orphans|scrub`: what lies in the storage, and whether it is what it should be.

use std::error::Error;
use std::process::ExitCode;

use serde_json::json;
use server::admin::{BadCopy, Damaged, Finding, Mended, Piece, ScrubReport, Upkeep};
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
    /// Write damaged and missing copies anew from a sound one, where several folders hold copies
    #[arg(long)]
    repair: bool,
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
            "put_off_blobs": done.put_off_blobs,
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
    }
    if waiting > 0 && report.backup_runs {
        eprintln!("note: a backup is running; what is left is deleted when it has ended");
    }
    if done.put_off_blobs > 0 {
        eprintln!(
            "waxd: {} blobs could not be deleted now; the server tries again in five minutes",
            done.put_off_blobs
        );
        return Ok(ExitCode::from(BROKEN));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn orphans(args: OrphansArgs) -> Outcome {
    let each = |orphan: &server::admin::Orphan| {
        let (store, blob) = (orphan.store.as_str(), orphan.blob);
        let (name, len, modified) = (blob.name.to_string(), blob.len, blob.modified);
        if args.json {
            println!(
                "{}",
                json!({ "type": "orphan", "store": store, "blob": name, "bytes": len, "modified": modified })
            );
        } else {
            println!("{store}  {name}  {len} bytes  {}", super::sessions::moment(modified));
        }
    };
    let totals = with_upkeep(args.storage, async |upkeep| Ok(upkeep.orphans(each).await?))?;
    if args.json {
        let (orphans, bytes, young) = (totals.orphans, totals.bytes, totals.young);
        println!(
            "{}",
            json!({ "type": "total", "orphans": orphans, "bytes": bytes, "young": young, "older": totals.older })
        );
    } else {
        eprintln!(
            "{} orphans, {}; {} blobs are younger than 24 hours and not looked at",
            totals.orphans,
            told(totals.bytes),
            totals.young
        );
        if totals.older > 0 {
            eprintln!(
                "{} more are older than this database, so they may belong to another one; no sweep deletes them",
                totals.older
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn scrub(args: ScrubArgs) -> Outcome {
    let each = |finding: &Finding| match finding {
        Finding::Lost(damaged) => tell(damaged, args.json),
        Finding::Copy(copy) => tell_copy(copy, args.json),
    };
    let repair = args.repair;
    let report = with_upkeep(args.storage, async |upkeep| Ok(upkeep.scrub(repair, each).await?))?;
    if args.json {
        let ScrubReport { files, blobs, bytes, damaged, bad_copies, repaired, .. } = report;
        let total = json!({
            "type": "total", "files": files, "blobs": blobs, "bytes": bytes, "damaged": damaged,
            "bad_copies": bad_copies, "repaired": repaired,
        });
        println!("{total}");
    } else {
        conclude(&report, repair);
    }
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}

fn conclude(report: &ScrubReport, repair: bool) {
    println!("read     {} files, {} blobs, {}", report.files, report.blobs, told(report.bytes));
    if report.damaged > 0 {
        println!("{} pieces are damaged or missing; a backup may hold them whole", report.damaged);
    }
    let left = report.bad_copies - report.repaired;
    if report.repaired > 0 {
        println!("{} copies were written anew from sound ones", report.repaired);
    }
    if left > 0 && repair {
        println!("{left} copies could not be written anew");
    } else if left > 0 {
        println!("{left} copies are damaged or missing, and another is sound: --repair writes them anew");
    }
    if report.is_whole() {
        println!("everything is as it was recorded");
    }
}

/// One copy that is not as it should be, or was not.
fn tell_copy(copy: &BadCopy, as_json: bool) {
    let BadCopy { of, folder, mended } = copy;
    let (part, piece) = piece(&of.piece);
    let failed = match mended {
        Mended::Failed(cause) => Some(cause),
        _ => None,
    };
    if as_json {
        let value = json!({
            "type": "copy", "file": of.file_id, "part": part, "damage": of.damage.as_str(),
            "folder": folder.display().to_string(), "repaired": *mended == Mended::Done, "cause": failed,
        });
        println!("{value}");
        return;
    }
    let word = if *mended == Mended::Done { "repaired" } else { "copy" };
    println!("{word:<8} {}  {piece}  {} in {}", of.file_id, of.damage.as_str(), folder.display());
    if let Some(cause) = failed {
        eprintln!("waxd: it could not be written anew: {cause}");
    }
}

/// A piece for programs and for people.
fn piece(piece: &Piece) -> (serde_json::Value, String) {
    match piece {
        Piece::Part(n) => (json!(n), format!("part {n}")),
        Piece::Leaves => (json!("leaves"), "leaves".to_owned()),
        Piece::Whole => (json!(null), "whole".to_owned()),
    }
}

/// One finding.
pub(super) fn tell(damaged: &Damaged, as_json: bool) {
    let Damaged { file_id, damage, .. } = damaged;
    let (part, piece) = piece(&damaged.piece);
    if as_json {
        println!(
            "{}",
            json!({ "type": "damaged", "file": file_id, "part": part, "damage": damage.as_str() })
        );
        return;
    }
    println!("damaged  {file_id}  {piece}  {}", damage.as_str());
}

pub(super) fn with_upkeep<T>(
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
