//! Moving: everything that a SQLite database holds, into an empty PostgreSQL one.
//!
//! All of it is one transaction of the target, and while it runs nobody else can open the source. What was written is read back
//! and compared row by row, in the order of the primary keys, before the commit. Three marks, each durable before the next step,
//! leave no moment at which servers would take both databases, or neither for good:
//!
//! 1. the target is marked as half moved, and servers refuse it; the rows are committed;
//! 2. the source is marked as moved, and servers refuse it;
//! 3. the mark of the target is taken away.
//!
//! One that was cut off is gone on with by moving again: what was committed is compared once more instead of copied. Nothing that
//! lies in the target is ever deleted.

mod cell;
mod table;

use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteLockingMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::{DbError, Digest, Postgres, Sqlite};
use table::Table;

/// Every table, each after those that it refers to.
pub(crate) const TABLES: [&str; 40] = [
    "accounts",
    "codes",
    "limit_windows",
    "sessions",
    "refresh_tokens",
    "bundles",
    "files",
    "parts",
    "part_leaves",
    "grants",
    "members",
    "tickets",
    "doomed_blobs",
    "leases",
    "key_grants",
    "totp",
    "backup_codes",
    "half_sign_ins",
    "audit_events",
    "audit_batches",
    "audit_keys",
    "receipts",
    "vaults",
    "invitations",
    "passkeys",
    "ceremonies",
    "pin_records",
    "key_resets",
    "links",
    "link_downloads",
    "link_nonces",
    "link_guesses",
    "boxes",
    "v0_files",
    "v0_readers",
    "changes",
    "happenings",
    "notices",
    "key_check",
    "birth",
];

/// Tables whose rows are numbered.
const NUMBERED: [(&str, &str); 3] = [("audit_events", "n"), ("changes", "seq"), ("happenings", "seq")];

/// One table that was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedTable {
    /// Its name.
    pub name: &'static str,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 over them, in order; both sides have the same.
    pub digest: Digest,
}

/// Why nothing was moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The source.
    #[error("the SQLite database: {0}")]
    Source(#[source] DbError),
    /// Another process has the source open.
    #[error("a server or another command uses the SQLite database; stop it first. Nothing was moved")]
    InUse,
    /// The source was moved before.
    #[error("this SQLite database was moved before; nothing was moved now")]
    AlreadyMoved,
    /// The target.
    #[error("the PostgreSQL database: {0}")]
    Target(#[source] DbError),
    /// The target holds something.
    #[error("the PostgreSQL database is not empty: there are rows in {0}. Nothing was moved")]
    NotEmpty(&'static str),
    /// What was written is not what was read.
    #[error("the table {table} arrived otherwise than it was, first in row {row}; nothing was moved")]
    Differs {
        /// Which table.
        table: &'static str,
        /// Which row of it, in the order of its key, from 1.
        row: u64,
    },
}

/// Moves everything in a SQLite file into the empty database of a URL; gives the tables in the order in which they were moved.
///
/// Cut off at any point, at least one of the two refuses servers, and the same call goes on. Afterwards the source refuses them.
///
/// # Errors
/// [`MoveError`]; servers may go on with the source, unless a call before this one had come so far as to mark it.
pub async fn move_to_postgres(file: &Path, url: &str) -> Result<Vec<MovedTable>, MoveError> {
    let (mut source, has_moved) = hold_source(file).await?;
    let mut target = Postgres::connect_to_fill(url).await.map_err(MoveError::Target)?;
    let is_begun: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM moving)")
        .fetch_one(&mut target)
        .await
        .map_err(at_target)?;
    let moved = match (has_moved, is_begun) {
        (true, false) => return Err(MoveError::AlreadyMoved),
        (true, true) => compare_all(&mut source, &mut target).await?,
        (false, _) => {
            let moved = match refuse_rows(&mut target).await {
                Ok(()) => fill(&mut source, &mut target).await?,
                // One that was cut off may have left all rows there; others than those of the source it did not leave.
                Err(not_empty) if is_begun => {
                    compare_all(&mut source, &mut target).await.map_err(|error| match error {
                        MoveError::Differs { .. } => not_empty,
                        error => error,
                    })?
                }
                Err(not_empty) => return Err(not_empty),
            };
            mark_moved(&mut source).await.map_err(|error| MoveError::Source(error.into()))?;
            moved
        }
    };
    sqlx::raw_sql("DELETE FROM moving").execute(&mut target).await.map_err(at_target)?;
    // What is durable is done; that statistics are there for the first queries, and that the connections end in order, changes
    // nothing.
    drop(sqlx::raw_sql("ANALYZE").execute(&mut target).await);
    drop(source.close().await);
    drop(target.close().await);
    Ok(moved)
}

/// Brings the schema of the source up to date, and opens it so that nobody else can; says whether it was moved before.
async fn hold_source(file: &Path) -> Result<(SqliteConnection, bool), MoveError> {
    if !file.is_file() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(MoveError::Source(DbError::Open(Box::new(missing))));
    }
    let has_moved = match Sqlite::open(file).await {
        Ok(opened) => {
            crate::Database::close(&opened).await;
            false
        }
        Err(DbError::Moved) => true,
        Err(DbError::Busy) => return Err(MoveError::InUse),
        Err(error) => return Err(MoveError::Source(error)),
    };
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        // In this mode the engine needs the file for itself, and whoever else has it open keeps it from us.
        .locking_mode(SqliteLockingMode::Exclusive)
        .busy_timeout(std::time::Duration::from_secs(2));
    let in_use = |error: sqlx::Error| match error.into() {
        DbError::Busy => MoveError::InUse,
        error => MoveError::Source(error),
    };
    let mut source = options.connect().await.map_err(in_use)?;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut source).await.map_err(in_use)?;
    Ok((source, has_moved))
}

fn at_target(error: sqlx::Error) -> MoveError {
    MoveError::Target(error.into())
}

/// The first mark, and the transaction of the target.
async fn fill(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> Result<Vec<MovedTable>, MoveError> {
    sqlx::raw_sql("INSERT INTO moving (id) VALUES (1) ON CONFLICT DO NOTHING")
        .execute(&mut *target)
        .await
        .map_err(at_target)?;
    let mut tx = sqlx::Connection::begin(&mut *target).await.map_err(at_target)?;
    for name in TABLES {
        // Nobody else writes into it meanwhile, and nothing that arrives is told of as if it happened now.
        let lock =
            format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE; ALTER TABLE {name} DISABLE TRIGGER USER");
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *tx).await.map_err(at_target)?;
    }
    refuse_rows(&mut tx).await?;
    for name in TABLES {
        Table::of(source, name).await?.copy(source, &mut tx).await?;
    }
    let moved = compare_all(source, &mut tx).await?;
    for (name, column) in NUMBERED {
        go_on_numbering(source, &mut tx, name, column).await?;
    }
    for name in TABLES {
        let enable = format!("ALTER TABLE {name} ENABLE TRIGGER USER");
        sqlx::raw_sql(AssertSqlSafe(enable)).execute(&mut *tx).await.map_err(at_target)?;
    }
    tx.commit().await.map_err(at_target)?;
    Ok(moved)
}

async fn compare_all(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> Result<Vec<MovedTable>, MoveError> {
    let mut moved = Vec::new();
    for name in TABLES {
        moved.push(Table::of(source, name).await?.compare(source, target).await?);
    }
    Ok(moved)
}

async fn refuse_rows(target: &mut PgConnection) -> Result<(), MoveError> {
    for name in TABLES {
        let ask = format!("SELECT EXISTS (SELECT 1 FROM {name})");
        let there: bool =
            sqlx::query_scalar(AssertSqlSafe(ask)).fetch_one(&mut *target).await.map_err(at_target)?;
        if there {
            return Err(MoveError::NotEmpty(name));
        }
    }
    Ok(())
}

/// Numbers go on above the highest that was ever given, also where its row is gone.
async fn go_on_numbering(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    name: &'static str,
    column: &str,
) -> Result<(), MoveError> {
    let ask = format!(
        "SELECT MAX(COALESCE((SELECT seq FROM sqlite_sequence WHERE name = '{name}'), 0),
             COALESCE((SELECT MAX({column}) FROM {name}), 0))"
    );
    let last: i64 = sqlx::query_scalar(AssertSqlSafe(ask))
        .fetch_one(source)
        .await
        .map_err(|error| MoveError::Source(error.into()))?;
    sqlx::query("UPDATE numbers SET last = $2 WHERE name = $1")
        .bind(name)
        .bind(last)
        .execute(target)
        .await
        .map_err(at_target)?;
    Ok(())
}

/// From now on servers refuse the source, so that nobody goes on with it by mistake.
async fn mark_moved(source: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {}; COMMIT", crate::sqlite::MOVED)))
        .execute(source)
        .await?;
    Ok(())
}
