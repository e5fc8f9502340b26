//! What is looked at before a database is used.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::errors::opening;
use crate::DbError;

/// Whether a server may use it.
pub(super) async fn usable(options: &PgConnectOptions) -> Result<(), DbError> {
    settings(options).await?;
    let mut connection = options.connect().await.map_err(opening)?;
    let half: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM moving)").fetch_one(&mut connection).await?;
    connection.close().await?;
    if half { Err(DbError::HalfMoved) } else { Ok(()) }
}

/// Settings with which what is answered could be lost.
pub(super) async fn settings(options: &PgConnectOptions) -> Result<(), DbError> {
    let mut connection = options.connect().await.map_err(opening)?;
    for (ask, name) in [("SHOW fsync", "fsync"), ("SHOW synchronous_commit", "synchronous_commit")] {
        let value: String = sqlx::query_scalar(ask).fetch_one(&mut connection).await?;
        if value == "off" {
            let text = format!("{name} is off there, with which what was answered is lost when the power is");
            return Err(DbError::Open(text.into()));
        }
    }
    connection.close().await?;
    Ok(())
}

/// Whether there is a server's schema, or a part of one.
pub(super) async fn is_servers(options: &PgConnectOptions) -> Result<bool, DbError> {
    let mut connection = options.connect().await.map_err(opening)?;
    let found = has_table(&mut connection, "audit_batches").await?;
    connection.close().await?;
    Ok(found)
}

async fn has_table(connection: &mut PgConnection, table: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(connection).await?)
}
