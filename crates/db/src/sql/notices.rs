//! Letters that wait. What begins to wait is written by triggers.

use async_trait::async_trait;
use envelope::ids::UserId;

use super::Driver;
use super::erasure::must_live;
use super::rows::Columns;
use crate::{DbError, DueNotice, Notices, UnixTime};

/// Whether anything is due; its plan is checked by a test.
pub(crate) const DUE: &str =
    "SELECT 1 FROM notices WHERE waiting_since IS NOT NULL AND waiting_since <= $1 LIMIT 1";

#[async_trait]
impl Notices for Driver {
    async fn claim_notices(
        &self,
        now: UnixTime,
        wait_secs: u32,
        pause_secs: u32,
        limit: u32,
    ) -> Result<Vec<DueNotice>, DbError> {
        let due = now.plus(-i64::from(wait_secs)).0;
        // Where nothing waits nothing is written.
        if sqlx::query(DUE).bind(due).fetch_optional(&self.readers).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut tx = self.write().await?;
        let rows = sqlx::query(
            "SELECT n.user_id, n.shared, n.arrived FROM notices n JOIN accounts a ON a.user_id = n.user_id
             WHERE n.waiting_since IS NOT NULL AND n.waiting_since <= $1 AND n.is_off = 0
                 AND (n.told_at IS NULL OR n.told_at <= $2) AND a.suspended_at IS NULL AND a.erased_at IS NULL
             ORDER BY n.waiting_since LIMIT $3",
        )
        .bind(due)
        .bind(now.plus(-i64::from(pause_secs)).0)
        .bind(i64::from(limit.clamp(1, 500)))
        .fetch_all(&mut *tx)
        .await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in &rows {
            let user = UserId::from_bytes(row.octets("user_id")?);
            claimed.push(DueNotice { user, shared: row.flag("shared")?, arrived: row.flag("arrived")? });
            sqlx::query(
                "UPDATE notices SET waiting_since = NULL, shared = 0, arrived = 0, told_at = $2 WHERE user_id = $1",
            )
            .bind(user.as_bytes().as_slice())
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(claimed)
    }

    async fn wants_notices(&self, user: UserId) -> Result<bool, DbError> {
        let row = sqlx::query("SELECT is_off FROM notices WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
        Ok(!row.map(|row| row.flag("is_off")).transpose()?.unwrap_or(false))
    }

    async fn want_notices(&self, user: UserId, wanted: bool) -> Result<(), DbError> {
        let mut tx = self.write().await?;
        must_live(&mut tx, user).await?;
        sqlx::query(
            "INSERT INTO notices (user_id, is_off) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET
                 is_off = excluded.is_off,
                 waiting_since = CASE WHEN excluded.is_off = 1 THEN NULL ELSE notices.waiting_since END,
                 shared = CASE WHEN excluded.is_off = 1 THEN 0 ELSE notices.shared END,
                 arrived = CASE WHEN excluded.is_off = 1 THEN 0 ELSE notices.arrived END",
        )
        .bind(user.as_bytes().as_slice())
        .bind(i64::from(!wanted))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
