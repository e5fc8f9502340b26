//! The value by which a server knows the database that its keys were made for.

use async_trait::async_trait;

use super::Driver;
use super::rows::Columns;
use crate::{DbError, Digest, KeyCheck, UnixTime};

#[async_trait]
impl KeyCheck for Driver {
    async fn keep_key_check(&self, check: Digest) -> Result<Digest, DbError> {
        // One statement: of servers that start together on an empty database, one is the first.
        let row = sqlx::query(
            "INSERT INTO key_check (id, value) VALUES (1, $1)
             ON CONFLICT (id) DO UPDATE SET value = key_check.value RETURNING value",
        )
        .bind(check.as_bytes().as_slice())
        .fetch_one(&self.writer)
        .await?;
        row.octets("value").map(Digest::from_bytes)
    }

    async fn keep_birth(&self, now: UnixTime) -> Result<(), DbError> {
        sqlx::query("INSERT INTO birth (id, at) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
            .bind(now.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn birth(&self) -> Result<Option<UnixTime>, DbError> {
        let row = sqlx::query("SELECT at FROM birth WHERE id = 1").fetch_optional(&self.readers).await?;
        row.map(|row| row.time("at")).transpose()
    }
}
