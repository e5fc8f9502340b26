//! The value by which a server knows the database that its keys were made for.

use async_trait::async_trait;

use super::Driver;
use super::rows::Columns;
use crate::{DbError, Digest, KeyCheck};

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
}
