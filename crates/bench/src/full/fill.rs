//! Copies one file's rows until a database holds as many as a large server's would.
//!
//! Rows alone: the copies have no parts, which no list and no transfer of another file touches.

use super::unexpected;
use proto::{FileId, UserId};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use stage::StageError;
use std::path::PathBuf;

/// Rows of one transaction, so that the log stays short.
const CHUNK: u64 = 20_000;

/// What is copied, and for whom. Only used while no server runs on the database.
pub(super) struct Stock {
    database: PathBuf,
    like: FileId,
    reader: UserId,
}

/// What a database holds.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) accounts: u64,
    pub(super) files: u64,
}

impl Stock {
    pub(super) fn new(database: PathBuf, like: &str, reader: UserId) -> Result<Self, StageError> {
        let like = like.parse().map_err(unexpected)?;
        Ok(Self { database, like, reader })
    }

    /// Adds files to the reader's list, a second apart and none in the future.
    pub(super) async fn list(&self, files: u64) -> Result<(), StageError> {
        let mut connection = self.open().await?;
        let mut left = files;
        while left > 0 {
            let now = left.min(CHUNK);
            self.chunk(&mut connection, now).await.map_err(unexpected)?;
            left -= now;
        }
        sqlx::query("ANALYZE").execute(&mut connection).await.map_err(unexpected)?;
        connection.close().await.map_err(unexpected)
    }

    async fn chunk(&self, connection: &mut SqliteConnection, rows: u64) -> sqlx::Result<()> {
        let mut tx = connection.begin().await?;
        sqlx::query("CREATE TEMP TABLE IF NOT EXISTS fresh (file_id BLOB NOT NULL, age INTEGER NOT NULL)")
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM fresh").execute(&mut *tx).await?;
        sqlx::query(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
             INSERT INTO fresh SELECT randomblob(16), i + (SELECT COUNT(*) FROM grants WHERE user_id = $2) FROM n",
        )
        .bind(rows.cast_signed())
        .bind(self.reader.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO files (file_id, owner, state, part_len, created_at, expires_at, received_bytes,
                received_parts, stored_bytes, stored_parts, charged_bytes, finished_at, revision, body_len,
                body_root, content_id, author_root, manifest_digest, request_digest, manifest)
             SELECT n.file_id, f.owner, f.state, f.part_len, f.created_at - n.age, f.expires_at + 31536000,
                f.received_bytes, f.received_parts, f.stored_bytes, f.stored_parts, f.charged_bytes,
                f.finished_at - n.age, f.revision, f.body_len, f.body_root, f.content_id, f.author_root,
                f.manifest_digest, f.request_digest, f.manifest
             FROM files f, fresh n WHERE f.file_id = $1",
        )
        .bind(self.like.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO grants (file_id, user_id, listed_at, recipient_id, bytes)
             SELECT n.file_id, $2, g.listed_at - n.age, g.recipient_id, g.bytes
             FROM fresh n, (SELECT * FROM grants WHERE file_id = $1 LIMIT 1) g",
        )
        .bind(self.like.as_bytes().as_slice())
        .bind(self.reader.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Adds accounts until there are as many.
    pub(super) async fn people(&self, accounts: u64) -> Result<(), StageError> {
        let mut connection = self.open().await?;
        sqlx::query(
            "WITH RECURSIVE n(i) AS (SELECT (SELECT COUNT(*) FROM accounts) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1)
             INSERT INTO accounts (user_id, lookup, sealed_address, created_at)
             SELECT randomblob(16), randomblob(32), randomblob(80), 1700000000 + i FROM n",
        )
        .bind(accounts.cast_signed())
        .execute(&mut connection)
        .await
        .map_err(unexpected)?;
        connection.close().await.map_err(unexpected)
    }

    /// How long the reader's list is.
    pub(super) async fn listed(&self) -> Result<u64, StageError> {
        let reader = self.reader.as_bytes().as_slice();
        self.count("SELECT COUNT(*) FROM grants WHERE user_id = $1", Some(reader)).await
    }

    pub(super) async fn held(&self) -> Result<Held, StageError> {
        Ok(Held {
            accounts: self.count("SELECT COUNT(*) FROM accounts", None).await?,
            files: self.count("SELECT COUNT(*) FROM files", None).await?,
        })
    }

    async fn count(&self, sql: &'static str, value: Option<&[u8]>) -> Result<u64, StageError> {
        let mut connection = self.open().await?;
        let mut query = sqlx::query(sql);
        if let Some(value) = value {
            query = query.bind(value.to_vec());
        }
        let count: i64 = query.fetch_one(&mut connection).await.map_err(unexpected)?.get(0);
        connection.close().await.map_err(unexpected)?;
        Ok(count.cast_unsigned())
    }

    async fn open(&self) -> Result<SqliteConnection, StageError> {
        let options = SqliteConnectOptions::new()
            .filename(&self.database)
            // Nothing here has to survive a power loss.
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(false);
        options.connect().await.map_err(unexpected)
    }
}
