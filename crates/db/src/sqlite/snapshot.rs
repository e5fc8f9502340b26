//! A consistent copy of the database while it is in use, and how such a copy is read.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{ACQUIRE_TIMEOUT, READERS, Sqlite, open_error};
use crate::DbError;

impl Sqlite {
    /// Writes the database as it is at one moment into a new file (mode 0600), durably; its name is the caller's to
    /// make durable. Writers go on meanwhile. Whoever keeps blobs beside it takes the lease of [`crate::Job::Backup`] first.
    ///
    /// # Errors
    /// [`DbError::Open`] if the file is there or cannot be made, [`DbError::StorageFull`], and whatever the engine
    /// reports; what was written is then of no use.
    pub async fn snapshot(&self, to: &Path) -> Result<(), DbError> {
        let open = |error: std::io::Error| DbError::Open(Box::new(error));
        let name = to.to_str().ok_or_else(|| open(std::io::ErrorKind::InvalidFilename.into()))?;
        // The engine writes into an empty file as it is, so the mode is ours from the first octet on.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(open)?;
        // A connection of its own: copying may take long, and leases have to be prolonged meanwhile.
        let options =
            SqliteConnectOptions::clone(&self.readers.connect_options()).pragma("query_only", "OFF");
        let mut connection = options.connect().await.map_err(open_error)?;
        let copied = sqlx::query("VACUUM INTO $1").bind(name).execute(&mut connection).await;
        connection.close().await?;
        copied?;
        // The engine leaves it to the system when such a copy reaches the disk.
        tokio::task::spawn_blocking(move || file.sync_all())
            .await
            .map_err(|error| DbError::Open(Box::new(error)))?
            .map_err(|error| DbError::Engine(Box::new(error)))
    }

    /// Opens such a copy to read it; nothing appears beside it.
    ///
    /// # Errors
    /// [`DbError::Open`], [`DbError::Schema`] if it is no database of a server.
    pub async fn open_snapshot(path: &Path) -> Result<Self, DbError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .read_only(true)
            // Nobody writes to it, so no lock and no shared memory is needed.
            .immutable(true);
        let pool = SqlitePoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .max_connections(READERS)
            .connect_with(options)
            .await
            .map_err(open_error)?;
        let has_files = sqlx::query("SELECT 1 FROM sqlite_master WHERE name = 'doomed_blobs'");
        if has_files.fetch_optional(&pool).await?.is_none() {
            return Err(DbError::Schema("it is no database of a server".into()));
        }
        Ok(Self { writer: pool.clone(), readers: pool })
    }
}
