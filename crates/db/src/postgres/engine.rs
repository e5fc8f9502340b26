//! What the shared sentences mean in PostgreSQL.

pub(super) use sqlx::Postgres as Engine;
pub(super) use sqlx::postgres::{PgArguments as Arguments, PgConnection as Connection, PgRow as Row};
use sqlx::{Column as _, Row as _, TypeInfo as _};

pub(super) use super::Postgres as Driver;
use crate::DbError;

/// No octets.
macro_rules! empty {
    () => {
        "''::BYTEA"
    };
}

/// Sixteen octets, all but six bits of them random.
macro_rules! random_id {
    () => {
        "uuid_send(gen_random_uuid())"
    };
}

/// The highest number that a table ever gave to a row, whose name stands in an expression. No sequence would answer this
/// truly: it counts what is not committed yet.
macro_rules! last_number {
    ($table:literal) => {
        concat!("(SELECT numbers.last FROM numbers WHERE numbers.name = ", $table, ")")
    };
}

/// Locks the rows that a query reads until the transaction ends, and reads them as whoever held them before left them.
macro_rules! locked {
    () => {
        " FOR NO KEY UPDATE"
    };
}

/// The steps that lead to the schema. Versions N and N−1 run together: what a newer one added does not disturb.
pub(super) fn migrator() -> sqlx::migrate::Migrator {
    let mut migrator = sqlx::migrate!("./migrations/postgres");
    migrator.set_ignore_missing(true);
    migrator
}

/// The numbers of a table's rows go on above `last`.
pub(super) async fn set_last_number(tx: &mut Connection, table: &str, last: i64) -> Result<(), DbError> {
    sqlx::query("UPDATE numbers SET last = $2 WHERE name = $1").bind(table).bind(last).execute(tx).await?;
    Ok(())
}

/// A whole number, or NULL. Literals and answers have smaller types here than columns, which all have the largest.
pub(super) fn number(row: &Row, column: &str) -> Result<Option<i64>, DbError> {
    Ok(match row.try_column(column)?.type_info().name() {
        "BOOL" => row.try_get::<Option<bool>, _>(column)?.map(i64::from),
        "INT4" => row.try_get::<Option<i32>, _>(column)?.map(i64::from),
        _ => row.try_get(column)?,
    })
}

/// After an erasure: deleted rows are gone from the files when they are vacuumed, which PostgreSQL does by itself.
#[expect(clippy::unused_async, reason = "the other engine waits here")]
pub(super) async fn fold_back(_: &sqlx::PgPool) -> Result<(), DbError> {
    Ok(())
}
