//! What is looked at before a database is used.

use sqlx::postgres::PgPool;

use crate::DbError;

/// Whether a server may use it.
pub(super) async fn usable(first: &PgPool) -> Result<(), DbError> {
    settings(first).await?;
    let half: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM moving)").fetch_one(first).await?;
    if half { Err(DbError::HalfMoved) } else { Ok(()) }
}

/// Refuses settings with which what was answered could be lost.
pub(super) async fn settings(first: &PgPool) -> Result<(), DbError> {
    for (ask, name) in [("SHOW fsync", "fsync"), ("SHOW synchronous_commit", "synchronous_commit")] {
        let value: String = sqlx::query_scalar(ask).fetch_one(first).await?;
        if value == "off" {
            let text = format!("{name} is off there, with which what was answered is lost when the power is");
            return Err(DbError::Open(text.into()));
        }
    }
    Ok(())
}

/// Whether there is a server's schema.
pub(super) async fn is_servers(first: &PgPool) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("SELECT to_regclass('audit_batches') IS NOT NULL").fetch_one(first).await?)
}
