//! `waxd admin backup|restore`: a copy beside the running server, and a server out of a copy.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use server::admin::{Backup, BackupOptions, BackupReport, Damaged, Restore};
use server::config::{Parts, Storage};

use super::size::told;
use super::upkeep::tell;
use super::{BROKEN, Outcome, with_config};

#[derive(clap::Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    storage: Storage,
    /// The folder to write to: new, empty, or an earlier backup of the same server
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Put the server's own secrets (SECRET_KEY, JWT_SECRET, its authority) into the backup as well
    ///
    /// With them and the database whoever has the backup can read every address and sign in as the server would; files stay
    /// closed. Without them the backup is of no use to anybody, you included, unless secret_key is kept elsewhere.
    #[arg(long)]
    with_secrets: bool,
    /// Read what earlier runs copied once more, and copy anew what is damaged there
    #[arg(long)]
    reread: bool,
    /// Print lines of JSON instead of words: one for each damaged piece, the last one with the totals
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct RestoreArgs {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// The data folder to make; missing or empty
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    #[command(flatten)]
    parts: Parts,
    /// The folder that holds secret_key and jwt_secret, for a backup without secrets
    #[arg(long, value_name = "FOLDER")]
    secrets: Option<PathBuf>,
    /// Go on without pieces that are damaged or missing
    #[arg(long)]
    accept_damage: bool,
    /// Print lines of JSON instead of words: one for each damaged piece, the last one with the totals
    #[arg(long)]
    json: bool,
}

pub(super) fn backup(args: BackupArgs) -> Outcome {
    let options = BackupOptions { to: args.to.clone(), with_secrets: args.with_secrets, reread: args.reread };
    let each = |damaged: &Damaged| tell(damaged, args.json);
    let report = with_config(args.storage, None, async |config| {
        let backup = Backup::open(&config).await?;
        let outcome = backup.run(&options, each).await;
        backup.close().await;
        Ok(outcome?)
    })?;
    if args.json {
        println!("{}", in_json(&report));
    } else {
        println!("holds    {} files, {} blobs, {}", report.files, report.blobs, told(report.bytes));
        println!("copied   {} blobs, {}", report.copied_blobs, told(report.copied_bytes));
        println!("removed  {} blobs that nothing names any more", report.removed_blobs);
    }
    about_secrets(&report, args.with_secrets);
    if report.damaged > 0 {
        eprintln!(
            "waxd: {} pieces are damaged or missing at the server and are not in the backup; all else is",
            report.damaged
        );
        return Ok(ExitCode::from(BROKEN));
    }
    Ok(ExitCode::SUCCESS)
}

fn in_json(report: &BackupReport) -> serde_json::Value {
    json!({
        "type": "total",
        "files": report.files,
        "blobs": report.blobs,
        "bytes": report.bytes,
        "copied_blobs": report.copied_blobs,
        "copied_bytes": report.copied_bytes,
        "removed_blobs": report.removed_blobs,
        "damaged": report.damaged,
        "secret_files": report.secret_files,
    })
}

/// What is lost without the secrets, said every time that they are not in it.
fn about_secrets(report: &BackupReport, wanted: bool) {
    if report.secret_key_elsewhere {
        eprintln!(
            "note: SECRET_KEY comes from the environment and is not in the backup; without it nobody could sign in after a \
             restore, so keep it safe elsewhere"
        );
    } else if !wanted {
        eprintln!(
            "note: the server's secrets are not in the backup; without secrets/secret_key of the data folder nobody could \
             sign in after a restore: keep a copy of it apart from the backup, or use --with-secrets"
        );
    }
}

pub(super) fn restore(args: RestoreArgs) -> Outcome {
    let restore = Restore { from: args.from, secrets: args.secrets, accept_damage: args.accept_damage };
    let storage = Storage { data: args.data, parts: args.parts, ..Storage::default() };
    let shown = storage.data.display().to_string();
    let each = |damaged: &Damaged| tell(damaged, args.json);
    let report = with_config(storage, None, async |config| Ok(restore.run(&config, each).await?))?;
    if args.json {
        let value = json!({
            "type": "total",
            "made_at": report.made_at,
            "files": report.files,
            "blobs": report.blobs,
            "bytes": report.bytes,
            "damaged": report.damaged,
            "sessions_ended": report.sessions,
        });
        println!("{value}");
    } else {
        println!("restored {} files, {} blobs, {}", report.files, report.blobs, told(report.bytes));
        println!("state of {}", super::sessions::moment(report.made_at));
        println!("ended    {} sessions: everybody signs in again", report.sessions);
        println!("start it with: waxd serve --data {shown}");
    }
    eprintln!(
        "note: to clients the log looks cut, because what happened since the backup is not in it: tell people, and see \
         wax activity --accept-log"
    );
    Ok(if report.damaged == 0 { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}
