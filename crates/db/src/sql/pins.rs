//! Records of pins.

use async_trait::async_trait;
use envelope::ids::UserId;

use super::Driver;
use super::erasure::must_live;
use super::rows::{Columns, integer};
use crate::{DbError, NewPins, Pins, StorePinsAnswer, StoredPins};

#[async_trait]
impl Pins for Driver {
    async fn store_pins(&self, new: NewPins) -> Result<StorePinsAnswer, DbError> {
        let version = integer(new.version, "the version of a record of pins")?;
        let mut tx = self.write().await?;
        must_live(&mut tx, new.user).await?;
        let before = sqlx::query("SELECT version, record FROM pin_records WHERE user_id = $1")
            .bind(new.user.as_bytes().as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        let newest = match before {
            None => 0,
            Some(row) if row.bytes("record")? == new.record => return Ok(StorePinsAnswer::Stored),
            Some(row) => row.natural("version")?,
        };
        if newest != new.previous || new.version <= newest {
            return Ok(StorePinsAnswer::Conflict);
        }
        sqlx::query(
            "INSERT INTO pin_records (user_id, version, record, stored_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, record = excluded.record,
                 stored_at = excluded.stored_at",
        )
        .bind(new.user.as_bytes().as_slice())
        .bind(version)
        .bind(new.record)
        .bind(new.now.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(StorePinsAnswer::Stored)
    }

    async fn pins(&self, user: UserId) -> Result<Option<StoredPins>, DbError> {
        sqlx::query("SELECT version, record FROM pin_records WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?
            .map(|row| Ok(StoredPins { version: row.natural("version")?, record: row.bytes("record")? }))
            .transpose()
    }
}
