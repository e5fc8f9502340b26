//! One file on one machine: one connection that writes, a few that read.
//!
//! Every sentence that changes something is one `BEGIN IMMEDIATE` transaction on the writing connection, so that
//! within a process writers queue instead of colliding; other processes on the same machine are waited for.

#[macro_use]
mod engine;
pub(crate) mod errors;
mod place;
mod snapshot;
#[path = "../sql/mod.rs"]
mod sql;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite as Engine, Transaction};

use crate::{Database, DbError, SchemaVersions, Stats};

/// Connections that only read.
const READERS: u32 = 4;

/// How long a call waits for a connection of ours.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The `user_version` of a database from which everything was moved away.
pub(crate) const MOVED: i64 = 0x6D6F_7665;

/// The database in one SQLite file.
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens the database file, making it (mode 0600) if it is missing, and brings its schema up to date. Processes
    /// that start together take turns. A schema with additions by a newer version is accepted.
    ///
    /// # Errors
    /// [`DbError::NetworkFileSystem`], [`DbError::Open`], [`DbError::Schema`], and whatever the engine reports.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, DbError> {
        Self::open_with(path.as_ref(), None).await
    }

    /// `max_pages` bounds the file (4 KiB pages), so that a full database can be tested.
    async fn open_with(path: &Path, max_pages: Option<u32>) -> Result<Self, DbError> {
        let path = path.to_owned();
        let prepare = path.clone();
        let turn = tokio::task::spawn_blocking(move || place::prepare(&prepare))
            .await
            .map_err(|error| DbError::Open(Box::new(error)))??;
        let mut options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // What is deleted is overwritten: an erased person's key must not be found in free pages.
            .pragma("secure_delete", "ON")
            // The log is folded back every 4 MiB and cut to 16 MiB after a longer transaction.
            .pragma("wal_autocheckpoint", "1000")
            .pragma("journal_size_limit", "16777216");
        if let Some(pages) = max_pages {
            options = options.pragma("max_page_count", pages.to_string());
        }
        let pool = || SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).max_lifetime(None);
        let writer = pool()
            .max_connections(1)
            .idle_timeout(None)
            // When the disk is full the engine rolls back by itself, and sqlx then counts a transaction that is
            // none any more; such a connection is replaced.
            .before_acquire(|connection, _| {
                let usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(usable) })
            })
            .connect_with(options.clone())
            .await
            .map_err(open_error)?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&writer).await?;
        if version == MOVED {
            return Err(DbError::Moved);
        }
        engine::migrator().run(&writer).await.map_err(schema_error)?;
        drop(turn);
        let readers = pool()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(open_error)?;
        Ok(Self { writer, readers })
    }

    /// Opens a database that another process may be using, to read and nothing else: neither file nor schema is
    /// changed, and every sentence that would write fails.
    ///
    /// # Errors
    /// [`DbError::Open`] if there is none, [`DbError::Schema`] if it is older than the audit log.
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, DbError> {
        let options = SqliteConnectOptions::new()
            .filename(path.as_ref())
            .create_if_missing(false)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .max_connections(READERS)
            .connect_with(options)
            .await
            .map_err(open_error)?;
        let has_log = sqlx::query("SELECT 1 FROM sqlite_master WHERE name = 'audit_batches'");
        if has_log.fetch_optional(&pool).await?.is_none() {
            return Err(DbError::Schema("there is no audit log in it yet".into()));
        }
        Ok(Self { writer: pool.clone(), readers: pool })
    }

    /// A transaction that may write, from its first moment on: nobody else writes meanwhile.
    async fn write(&self) -> Result<Transaction<'static, Engine>, DbError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A transaction that may write beside others where the engine allows it, which this one does not.
    async fn write_beside(&self) -> Result<Transaction<'static, Engine>, DbError> {
        self.write().await
    }
}

fn open_error(error: sqlx::Error) -> DbError {
    match error.into() {
        DbError::Engine(error) => DbError::Open(error),
        other => other,
    }
}

fn schema_error(error: MigrateError) -> DbError {
    match error {
        MigrateError::Execute(error) => error.into(),
        other => DbError::Schema(Box::new(other)),
    }
}

#[async_trait]
impl Database for Sqlite {
    async fn ping(&self) -> Result<(), DbError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }

    async fn stats(&self) -> Result<Stats, DbError> {
        self.totals().await
    }

    async fn schema_versions(&self) -> Result<SchemaVersions, DbError> {
        self.versions().await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
