//! The order of what happened,. The rows are written by triggers.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use super::Driver;
use super::rows::{Columns, bound};
use crate::{DbError, Happening, HappeningKind, Live, LiveSpan, UnixTime};

/// What one person is told; its plan is checked by a test.
pub(crate) const OF_USER: &str = "SELECT seq, kind, COALESCE(what, '') AS what, file_id FROM happenings
    WHERE user_id = $1 AND seq > $2 AND kind < 5 ORDER BY seq LIMIT $3";

#[async_trait]
impl Live for Driver {
    async fn happenings_of(&self, user: UserId, after: u64, limit: u32) -> Result<Vec<Happening>, DbError> {
        let rows = sqlx::query(OF_USER)
            .bind(user.as_bytes().as_slice())
            .bind(bound(after))
            .bind(i64::from(limit.clamp(1, 500)))
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                let kind = match row.natural("kind")? {
                    1 => HappeningKind::FileArrived,
                    2 => HappeningKind::FileChanged,
                    3 => HappeningKind::FileGone,
                    4 => HappeningKind::Activity(row.text("what")?),
                    _ => return Err(DbError::Damaged("kind")),
                };
                let file_id = row.maybe_bytes("file_id")?.map(<[u8; 16]>::try_from).transpose();
                let file_id = file_id.map_err(|_| DbError::Damaged("file_id"))?.map(FileId::from_bytes);
                Ok(Happening { seq: row.natural("seq")?, kind, file_id })
            })
            .collect()
    }

    async fn stirred(&self, after: u64, limit: u32) -> Result<Vec<(u64, UserId)>, DbError> {
        sqlx::query("SELECT seq, user_id FROM happenings WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(bound(after))
            .bind(i64::from(limit.clamp(1, 5_000)))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| Ok((row.natural("seq")?, UserId::from_bytes(row.octets("user_id")?))))
            .collect()
    }

    async fn live_span(&self) -> Result<LiveSpan, DbError> {
        let row = sqlx::query(concat!(
            "SELECT COALESCE((SELECT MIN(seq) - 1 FROM happenings), last) AS forgotten, last FROM (SELECT ",
            last_number!("'happenings'"),
            " AS last) AS numbered"
        ))
        .fetch_one(&self.readers)
        .await?;
        Ok(LiveSpan { forgotten: row.natural("forgotten")?, last: row.natural("last")? })
    }

    async fn forget_happenings(&self, now: UnixTime, before: UnixTime, most: u64) -> Result<u64, DbError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE happenings SET noted_at = $1 WHERE noted_at IS NULL")
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        // From the beginning of the order up to a number, whatever clocks said in between: what is known has no holes.
        let forgotten = sqlx::query(concat!(
            "DELETE FROM happenings WHERE seq <= ",
            last_number!("'happenings'"),
            " - $2 OR seq <= COALESCE((SELECT MAX(seq) FROM happenings WHERE noted_at <= $1), 0)"
        ))
        .bind(before.0)
        .bind(bound(most))
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(forgotten)
    }
}
