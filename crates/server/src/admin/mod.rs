//! What an operator does beside the running server: its database, its blobs and its own secrets, and no key to any file.

mod backup;
mod copying;
mod manifest;
mod migrate;
mod moving;
mod restore;
mod scrub;
mod sessions;
mod upkeep;
mod users;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blobs::BlobError;
use db::{Database, DbError, Sqlite};
use envelope::Address;
use envelope::ids::UserId;

use crate::config::Config;
use crate::database;
use crate::jobs::JobError;
use crate::mail::MailError;
use crate::stored::ReadError;
use crate::stores::{OpenStoresError, StoreError, StoreName, Stores};

pub use crate::jobs::orphans::Orphan;
pub use crate::stored::{Damage, Piece};
pub use backup::{Backup, BackupOptions, BackupReport};
pub use db::MovedTable;
pub use manifest::ManifestError;
pub use migrate::{Migrate, begin_again};
pub use moving::{MoveEvent, MoveOptions, MoveReport};
pub use restore::{Restore, RestoreReport};
pub use scrub::{BadCopy, Damaged, Finding, Mended, ScrubReport};
pub use sessions::OpenSession;
pub use upkeep::{GcReport, OrphanTotals, Upkeep};
pub use users::{Invited, Letter, User, Users, Who};

/// Why nothing, or not all, was done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The folder is not a server's.
    #[error("{} holds no database of a server", .0.display())]
    NoDatabase(PathBuf),
    /// What was asked for is done otherwise with PostgreSQL.
    #[error(
        "the database is PostgreSQL, which has its own tools for this: `pg_dump` first, then a copy of the folder of blobs; \
         the book's page on administration tells the steps"
    )]
    NotWithPostgres,
    /// A backup is one of SQLite.
    #[error(
        "a backup is restored as SQLite: leave out DATABASE_URL, restore, and then move everything with `waxd admin migrate`"
    )]
    RestoredAsSqlite,
    /// Nothing says where to.
    #[error("say where to: --to postgres://…, or DATABASE_URL or DATABASE_URL_FILE in the environment")]
    NoTarget,
    /// A move between databases.
    #[error(transparent)]
    Move(db::MoveError),
    /// The database belongs to other keys.
    #[error("this SECRET_KEY is not the one that the database was filled with; nothing was done")]
    OtherKeys,
    /// The server's secrets.
    #[error("the server's secrets cannot be read: {0}")]
    Secrets(io::Error),
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] DbError),
    /// A store.
    #[error("the storage: {0}")]
    Blobs(#[from] BlobError),
    /// A blob's store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stores cannot be opened.
    #[error(transparent)]
    Stores(#[from] OpenStoresError),
    /// A job.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Nobody has this address.
    #[error("no account has the address {}", .0.as_str())]
    Unknown(Address),
    /// Nobody has this id.
    #[error("no account has the id {0}")]
    UnknownId(UserId),
    /// Who is to be invited has an account.
    #[error("{} has an account already", .0.as_str())]
    HasAccount(Address),
    /// The letter. The invitation stands.
    #[error("the invitation stands, but its letter was not sent: {0}")]
    Letter(#[source] MailError),
    /// The letter, before it was written. Nothing happened.
    #[error("no letter can be sent: {0}; nothing was done")]
    NoMail(String),
    /// A file or folder.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another backup runs.
    #[error(
        "another backup of this server is running, or one was cut off less than five minutes ago; nothing was changed"
    )]
    BackupRuns,
    /// The lease of the backup lapsed.
    #[error(
        "deletions went on while the backup was held up, so that it may lack something; the one before it stays: run it again"
    )]
    BackupLapsed,
    /// Another move runs.
    #[error(
        "blobs are being moved already, or a move was cut off less than a minute ago; --take-over ends that one and goes on"
    )]
    MoveRuns,
    /// The lease of the move is another's.
    #[error("another move took over; what this one had moved stays moved")]
    MoveLapsed,
    /// Out of a store into itself.
    #[error("blobs of the store {0} are in the store {0}")]
    SameStore(StoreName),
    /// A copy that was acknowledged is not what was written.
    #[error(
        "what the store {store} acknowledged is {damage} when it is read again; nothing more is moved into it"
    )]
    BadCopy {
        /// Which store.
        store: StoreName,
        /// What is wrong.
        damage: &'static str,
    },
    /// The folder lies in the data folder, or the other way round.
    #[error("{} and the server's own folder lie in one another; a backup is kept elsewhere, best on another disk", .0.display())]
    Inside(PathBuf),
    /// The folder holds something else.
    #[error("{} is not empty; nothing was changed", .0.display())]
    NotEmpty(PathBuf),
    /// The folder holds the backup of another server.
    #[error("{} holds the backup of another server; nothing was changed", .0.display())]
    OtherServer(PathBuf),
    /// What the backup says of itself.
    #[error("{} is no whole backup: {source}", path.display())]
    Manifest {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
    /// The backup holds no secrets, and none were given.
    #[error(
        "the backup holds no secrets of the server, and none were given. Without its SECRET_KEY no address can be found \
         again, so nobody could sign in: give the folder that holds secret_key with --secrets, or set SECRET_KEY"
    )]
    SecretsNeeded,
    /// The secrets are those of another server.
    #[error(
        "this SECRET_KEY is not the one of the server that was backed up; with it nobody could sign in. Nothing was changed"
    )]
    OtherSecrets,
    /// A file of the backup.
    #[error("{} is not as it was backed up; nothing was restored", .0.display())]
    Altered(PathBuf),
    /// Something of the backup is damaged, and that was not accepted.
    #[error(
        "{0} pieces are damaged or missing, so nothing was restored; --accept-damage restores everything else"
    )]
    Damage(u64),
    /// A thread ended.
    #[error("work on the disk was stopped")]
    Stopped,
}

impl From<ReadError> for AdminError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Copy(error) => error.into(),
            ReadError::Stopped => Self::Stopped,
        }
    }
}

/// Opens the database of the configured data folder, also while a server runs on it. Nothing is made: a mistyped
/// folder stays as it is.
async fn open_database(config: &Config) -> Result<Arc<dyn Database>, AdminError> {
    if config.secrets.database_url().is_none() {
        return Ok(Arc::new(open_sqlite(config).await?));
    }
    // Opened to read, it must be a server's; only then may its schema be brought up to date.
    database::open_read_only(config).await?.close().await;
    Ok(database::open(config).await?)
}

/// Opens the SQLite file of the configured data folder.
async fn open_sqlite(config: &Config) -> Result<Sqlite, AdminError> {
    let data: &Path = &config.storage.data;
    let file = data.join(database::FILE);
    if !file.is_file() {
        return Err(AdminError::NoDatabase(data.to_owned()));
    }
    Ok(Sqlite::open(file).await?)
}

/// Opens the configured stores. At least one folder of the local one is there: a mistyped one is not made.
async fn open_stores(config: &Config) -> Result<Stores, AdminError> {
    let folders = config.storage.blob_dirs();
    if !folders.iter().any(|folder| folder.is_dir()) {
        let path = folders.into_iter().next().unwrap_or_default();
        return Err(AdminError::Io { path, source: io::ErrorKind::NotFound.into() });
    }
    Ok(Stores::open(config, Vec::new()).await?)
}

/// An error of a file or folder with its path.
fn at(path: &Path) -> impl FnOnce(io::Error) -> AdminError + '_ {
    move |source| AdminError::Io { path: path.to_owned(), source }
}

/// Work on the disk, on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AdminError> + Send + 'static,
) -> Result<T, AdminError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| AdminError::Stopped)?
}

/// Ends the connections whatever came of the work.
async fn closing<T>(db: &dyn Database, outcome: Result<T, AdminError>) -> Result<T, AdminError> {
    db.close().await;
    outcome
}
