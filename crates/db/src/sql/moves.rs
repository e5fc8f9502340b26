//! Moved blobs and deletions that wait, in SQL.

use async_trait::async_trait;
use sqlx::QueryBuilder;

use super::Driver;
use super::jobs::is_held;
use super::rows::at_most;
use crate::{BlobRef, DbError, MoveAnswer, MoveBlob, Moves, UnixTime};

#[async_trait]
impl Moves for Driver {
    async fn move_blob(&self, step: MoveBlob<'_>) -> Result<MoveAnswer, DbError> {
        let mut tx = self.write().await?;
        if !is_held(&mut tx, step.lease, step.now).await? {
            return Ok(MoveAnswer::LeaseLost);
        }
        let mut moved = 0;
        for swap in [
            "UPDATE parts SET blob = $2 WHERE blob = $1",
            "UPDATE files SET leaves_blob = $2 WHERE leaves_blob = $1",
        ] {
            let done =
                sqlx::query(swap).bind(step.from.as_str()).bind(step.to.as_str()).execute(&mut *tx).await?;
            moved += done.rows_affected();
        }
        if moved == 0 {
            return Ok(MoveAnswer::Gone);
        }
        sqlx::query(
            "INSERT INTO doomed_blobs (blob, doomed_at) VALUES ($1, $2) ON CONFLICT (blob) DO NOTHING",
        )
        .bind(step.from.as_str())
        .bind(step.now.plus(step.keep_secs.into()).0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(MoveAnswer::Moved)
    }

    async fn put_off_deletions(&self, blobs: &[BlobRef], until: UnixTime) -> Result<(), DbError> {
        at_most(blobs, 1000, "a list of blobs")?;
        if blobs.is_empty() {
            return Ok(());
        }
        let mut query = QueryBuilder::new("UPDATE doomed_blobs SET doomed_at = ");
        query.push_bind(until.0).push(" WHERE blob IN (");
        let mut list = query.separated(", ");
        for blob in blobs {
            list.push_bind(blob.as_str());
        }
        query.push(")");
        query.build().persistent(false).execute(&self.writer).await?;
        Ok(())
    }
}
