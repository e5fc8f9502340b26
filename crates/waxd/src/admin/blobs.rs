//! `waxd admin blobs move`: from one store into another, while the server runs.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use server::StoreName;
use server::admin::{MoveEvent, MoveOptions, MoveReport};
use server::config::Storage;

use super::size::told;
use super::upkeep::{tell, with_upkeep};
use super::{BROKEN, Outcome};

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(super) struct BlobsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Move everything that is in one store into another; the server may be running
    ///
    /// Both stores must be configured, here and at every server, before the first blob is moved. Each blob is copied, read again and
    /// only then known at its new place; where it was it stays for 15 minutes. A run that was cut off is gone on with by another.
    ///
    /// Exit codes: 0 all of it is moved, 1 something is damaged and stays, 2 it could not be done.
    Move(MoveArgs),
}

#[derive(clap::Args)]
struct MoveArgs {
    #[command(flatten)]
    storage: Storage,
    /// The store to empty
    #[arg(long, value_enum, value_name = "STORE")]
    from: StoreName,
    /// The store to fill
    #[arg(long, value_enum, value_name = "STORE")]
    to: StoreName,
    /// End a move that is under way elsewhere, or was cut off a moment ago, and go on in its place
    #[arg(long)]
    take_over: bool,
    /// Print lines of JSON instead of words: progress, each damaged piece, the last one with the totals
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: BlobsArgs) -> Outcome {
    let Command::Move(args) = args.command;
    let options = MoveOptions { from: args.from, to: args.to, take_over: args.take_over };
    let still_written = args.storage.parts.store == args.from;
    let mut told_at = Instant::now();
    let each = |event: &MoveEvent| match event {
        MoveEvent::Damaged(damaged) => tell(damaged, args.json),
        MoveEvent::Progress(report) if told_at.elapsed() >= TOLD_EVERY => {
            told_at = Instant::now();
            if args.json {
                println!("{}", in_json("progress", report));
            } else {
                eprintln!("moved    {} blobs, {}", report.moved, told(report.bytes));
            }
        }
        MoveEvent::Progress(_) => {}
    };
    let report = with_upkeep(args.storage, async |upkeep| Ok(upkeep.move_blobs(options, each).await?))?;
    if args.json {
        println!("{}", in_json("total", &report));
    } else {
        println!(
            "moved    {} blobs, {}, from {} to {}",
            report.moved,
            told(report.bytes),
            args.from,
            args.to
        );
    }
    if still_written {
        eprintln!(
            "note: WAXD_STORE here is still {}: what is sent to a server with that setting goes there again",
            args.from
        );
    }
    if report.damaged > 0 {
        eprintln!("waxd: {} pieces are damaged or missing and stay where they are", report.damaged);
        return Ok(ExitCode::from(BROKEN));
    }
    Ok(ExitCode::SUCCESS)
}

fn in_json(kind: &str, report: &MoveReport) -> Value {
    let MoveReport { files, moved, bytes, ended, damaged } = report;
    json!({ "type": kind, "files": files, "moved": moved, "bytes": bytes, "ended": ended, "damaged": damaged })
}
