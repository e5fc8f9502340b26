//! `waxd admin audit`: checks the audit log, or writes it out. Reads only, also while a server runs on the folder.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use server::audit::{Findings, Known, Log};
use server::config::Storage;

use super::{BROKEN, Outcome, with_config};

/// What `waxd admin audit` can be told.
#[derive(clap::Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Recompute every leaf, batch and signature, and name what was changed, removed, moved or cut
    ///
    /// Exit codes: 0 the log is as it was sealed, 1 it is not, 2 it could not be checked.
    Verify(VerifyArgs),
    /// Write the whole log as lines of JSON; personal fields stay sealed
    Export(ExportArgs),
}

#[derive(clap::Args)]
struct VerifyArgs {
    #[command(flatten)]
    storage: Storage,
    /// A head that somebody has seen: SEQ:HASH, its hash, or a file that holds one (an export, the output of `wax activity --json`)
    #[arg(long, value_name = "HEAD|FILE")]
    head: Option<String>,
    /// Print one JSON object instead of words
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct ExportArgs {
    #[command(flatten)]
    storage: Storage,
    /// The new file to write; without it, standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: AuditArgs) -> Outcome {
    match args.command {
        Command::Verify(args) => verify(args),
        Command::Export(args) => export(args),
    }
}

fn verify(args: VerifyArgs) -> Outcome {
    let known = args.head.as_deref().map(known).transpose()?;
    let findings = with_log(args.storage, async |log| Ok(log.check(known).await?))?;
    if args.json {
        println!("{}", in_json(&findings));
    } else {
        tell(&findings, known.is_some());
    }
    Ok(if findings.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}

fn tell(findings: &Findings, is_compared: bool) {
    println!("batches  {}", findings.batches);
    println!("events   {} sealed, {} not sealed yet", findings.events, findings.unsealed);
    if let Some(newest) = findings.newest {
        println!("head     {newest}");
    }
    for fault in &findings.faults {
        println!("broken   {fault}");
    }
    if findings.faults.is_empty() {
        println!("the log is as it was sealed");
    }
    if !is_compared {
        eprintln!(
            "note: an end that was cut off is not seen without --head: give a head that a client saw (wax activity --json), or an earlier export"
        );
    }
    if findings.unsealed > 0 {
        eprintln!(
            "note: nothing protects events that are not sealed yet; a running server seals within half a minute"
        );
    }
}

fn in_json(findings: &Findings) -> serde_json::Value {
    json!({
        "ok": findings.faults.is_empty(),
        "batches": findings.batches,
        "events": findings.events,
        "unsealed": findings.unsealed,
        "head": findings.newest.map(|newest| newest.to_string()),
        "faults": findings.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn export(args: ExportArgs) -> Outcome {
    let newest = match &args.out {
        None => with_log(args.storage, async |log| Ok(log.export(&mut stdout()).await?))?,
        Some(path) => {
            let cannot = |error| format!("{} cannot be written: {error}", path.display());
            let file = File::options().write(true).create_new(true).open(path).map_err(cannot)?;
            let mut out = BufWriter::new(file);
            let newest = with_log(args.storage, async |log| Ok(log.export(&mut out).await?))?;
            out.flush().map_err(cannot)?;
            newest
        }
    };
    if let Some(newest) = newest {
        eprintln!("exported up to {newest}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the log of the folder, and closes it whatever came of the work.
fn with_log<T>(
    storage: Storage,
    work: impl AsyncFnOnce(&Log) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    with_config(storage, None, async |config| {
        let log = Log::open(&config).await?;
        let outcome = work(&log).await;
        log.close().await;
        outcome
    })
}

/// A head in itself, or out of a file.
fn known(text: &str) -> Result<Known, Box<dyn Error>> {
    if let Ok(known) = text.parse() {
        return Ok(known);
    }
    let content = std::fs::read_to_string(Path::new(text))
        .map_err(|error| format!("--head {text} is neither a head nor a file that can be read: {error}"))?;
    Known::find_in(&content).ok_or_else(|| format!("{text} tells of no head").into())
}
