//! What the shared sentences mean in SQLite.

use sqlx::Row as _;
pub(super) use sqlx::Sqlite as Engine;
pub(super) use sqlx::sqlite::{
    SqliteArguments as Arguments, SqliteConnection as Connection, SqliteRow as Row,
};

pub(super) use super::Sqlite as Driver;
use crate::DbError;

/// No octets.
macro_rules! empty {
    () => {
        "x''"
    };
}

/// Sixteen random octets.
macro_rules! random_id {
    () => {
        "randomblob(16)"
    };
}

/// The highest number that a table ever gave to a row, whose name stands in an expression.
macro_rules! last_number {
    ($table:literal) => {
        concat!("COALESCE((SELECT seq FROM sqlite_sequence WHERE name = ", $table, "), 0)")
    };
}

/// Locks the rows that a query reads until the transaction ends; here nobody else writes anyway.
macro_rules! locked {
    () => {
        ""
    };
}

/// The steps that lead to the schema. Versions N and N−1 run together: what a newer one added does not disturb.
pub(super) fn migrator() -> sqlx::migrate::Migrator {
    let mut migrator = sqlx::migrate!("./migrations/sqlite");
    migrator.set_ignore_missing(true);
    migrator
}

/// The numbers of a table's rows go on above `last`.
pub(super) async fn set_last_number(tx: &mut Connection, table: &str, last: i64) -> Result<(), DbError> {
    sqlx::query("DELETE FROM sqlite_sequence WHERE name = $1").bind(table).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)")
        .bind(table)
        .bind(last)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// A whole number, or NULL.
pub(super) fn number(row: &Row, column: &str) -> Result<Option<i64>, DbError> {
    Ok(row.try_get(column)?)
}

/// After an erasure: what was deleted is in the log of writes as it was before, until that is folded back. Readers that are under
/// way hold it up; then it is folded back with the next one, or when the database is closed.
pub(super) async fn fold_back(writer: &sqlx::SqlitePool) -> Result<(), DbError> {
    let mut connection = writer.acquire().await?;
    // Everybody who writes waits for this connection, so it does not wait for somebody who reads for long.
    sqlx::query("PRAGMA busy_timeout = 100").execute(&mut *connection).await?;
    let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_optional(&mut *connection).await;
    sqlx::query("PRAGMA busy_timeout = 10000").execute(&mut *connection).await?;
    folded.map(drop).map_err(DbError::from)
}
