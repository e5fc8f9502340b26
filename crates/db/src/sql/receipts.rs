//! Receipts.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use super::Driver;
use super::audit::append;
use super::erasure::must_live;
use super::rows::Columns;
use crate::{DbError, NewReceipt, ReceiptAnswer, Receipts, StoredReceipt};

#[async_trait]
impl Receipts for Driver {
    async fn keep_receipt(&self, new: NewReceipt) -> Result<ReceiptAnswer, DbError> {
        let (file, user) = (new.file_id.as_bytes().as_slice(), new.receipt.user.as_bytes().as_slice());
        let mut tx = self.write().await?;
        must_live(&mut tx, new.receipt.user).await?;
        let holder = sqlx::query(
            "SELECT 1 FROM grants g JOIN files f ON f.file_id = g.file_id
             WHERE g.file_id = $1 AND g.user_id = $2 AND f.owner <> $2 AND f.state = 1",
        )
        .bind(file)
        .bind(user)
        .fetch_optional(&mut *tx)
        .await?;
        if holder.is_none() {
            return Ok(ReceiptAnswer::Nothing);
        }
        let kept = sqlx::query(
            "INSERT INTO receipts (file_id, user_id, opened, signature) VALUES ($1, $2, $3, $4)
             ON CONFLICT (file_id, user_id) DO NOTHING",
        )
        .bind(file)
        .bind(user)
        .bind(new.receipt.opened)
        .bind(new.receipt.signature.as_slice())
        .execute(&mut *tx)
        .await?;
        if kept.rows_affected() == 0 {
            return Ok(ReceiptAnswer::AlreadyThere);
        }
        append(&mut tx, std::slice::from_ref(&new.event)).await?;
        tx.commit().await?;
        Ok(ReceiptAnswer::Kept)
    }

    async fn receipts_of(&self, file_id: FileId) -> Result<Vec<StoredReceipt>, DbError> {
        sqlx::query(
            "SELECT user_id, opened, signature FROM receipts WHERE file_id = $1 ORDER BY user_id LIMIT 1000",
        )
        .bind(file_id.as_bytes().as_slice())
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(|row| {
            Ok(StoredReceipt {
                user: UserId::from_bytes(row.octets("user_id")?),
                opened: row.time("opened")?.0,
                signature: row.octets("signature")?,
            })
        })
        .collect()
    }
}
