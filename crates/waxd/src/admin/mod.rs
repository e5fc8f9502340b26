//! `waxd admin`: what an operator does beside the running server.

mod audit;
mod backup;
mod blobs;
mod migrate;
mod sessions;
mod size;
mod upkeep;
mod users;

use std::error::Error;
use std::process::ExitCode;

use server::Config;
use server::config::{Mail, Storage};

/// Exit code where what was read is not as it should be.
const BROKEN: u8 = 1;
/// Exit code where it could not be done.
const FAILED: u8 = 2;

/// What `waxd admin` can be told.
#[derive(clap::Args)]
pub(crate) struct AdminArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Accounts and invitations; the server may be running
    Users(users::UsersArgs),
    /// Sessions of everybody; the server may be running
    Sessions(sessions::SessionsArgs),
    /// Check or export the audit log; the server may be running
    Audit(audit::AuditArgs),
    /// End what has expired and delete what nobody needs, now; the server may be running
    Gc(upkeep::GcArgs),
    /// List stored blobs that no row names; nothing is touched
    ///
    /// What is younger than 24 hours may belong to something under way and is only counted.
    Orphans(upkeep::OrphansArgs),
    /// Read every stored blob, every copy of it, and compare it with what was recorded; no key is needed, the server may be running
    ///
    /// Exit codes: 0 all is as it was recorded, or is so now, 1 something is damaged or missing, 2 it could not be checked.
    Scrub(upkeep::ScrubArgs),
    /// Move stored blobs between stores
    Blobs(blobs::BlobsArgs),
    /// Copy database and blobs into a folder; the server may be running
    ///
    /// Blobs that are there already are not copied again. A run that is cut off leaves the backup before it as it was.
    ///
    /// Exit codes: 0 all of it is there, 1 something is damaged at the server and is not, 2 there is no new backup.
    Backup(backup::BackupArgs),
    /// Make a data folder out of a backup
    ///
    /// Everything is compared with what was backed up before it counts. Every session is ended: people sign in again.
    ///
    /// Exit codes: 0 restored, 1 restored but for damaged pieces that were accepted, 2 nothing was restored.
    Restore(backup::RestoreArgs),
    /// Move everything from the data folder's SQLite database into an empty PostgreSQL one; no server may be running
    ///
    /// Blobs and secrets stay where they are. Every row is read back and compared before any of it counts; cut off, it has
    /// moved nothing and can be run again.
    Migrate(migrate::MigrateArgs),
    /// Go on with a PostgreSQL database that was brought back from a dump: every session ends; no server may be running
    BeginAgain(migrate::BeginAgainArgs),
}

pub(crate) fn run(args: AdminArgs) -> ExitCode {
    let outcome = match args.command {
        Command::Users(args) => users::run(args),
        Command::Sessions(args) => sessions::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Gc(args) => upkeep::gc(args),
        Command::Orphans(args) => upkeep::orphans(args),
        Command::Scrub(args) => upkeep::scrub(args),
        Command::Blobs(args) => blobs::run(args),
        Command::Backup(args) => backup::backup(args),
        Command::Restore(args) => backup::restore(args),
        Command::Migrate(args) => migrate::migrate(args),
        Command::BeginAgain(args) => migrate::begin(args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("waxd: {}", server::logging::chain(&*error));
        ExitCode::from(FAILED)
    })
}

/// What a command came to: its exit code, or why it could not be done.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Runs `work` with the folder's configuration and the secrets of the environment.
fn with_config<T>(
    storage: Storage,
    mail: Option<Mail>,
    work: impl AsyncFnOnce(Config) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let config = Config { storage, mail: mail.unwrap_or_default(), ..Config::default() };
    let config = config.with_environment(|name| std::env::var_os(name))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(work(config))
}
