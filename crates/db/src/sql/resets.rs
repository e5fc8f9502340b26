//! Wishes for new keys.

use async_trait::async_trait;
use envelope::ids::UserId;
use sqlx::QueryBuilder;

use super::audit::append;
use super::erasure::must_live;
use super::rows::{Columns, at_most};
use super::{Driver, Row};
use crate::{DbError, Digest, NewEvent, NewReset, Reset, Resets};

#[async_trait]
impl Resets for Driver {
    async fn begin_reset(&self, new: NewReset) -> Result<Reset, DbError> {
        let mut tx = self.write().await?;
        must_live(&mut tx, new.user).await?;
        let there = sqlx::query("SELECT bundle_hash, begun_at, due_at FROM key_resets WHERE user_id = $1")
            .bind(new.user.as_bytes().as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = there {
            let there = reset(&row)?;
            if there.bundle == new.bundle {
                return Ok(there);
            }
        }
        sqlx::query(
            "INSERT INTO key_resets (user_id, bundle_hash, begun_at, due_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id) DO UPDATE SET bundle_hash = excluded.bundle_hash, begun_at = excluded.begun_at,
                 due_at = excluded.due_at",
        )
        .bind(new.user.as_bytes().as_slice())
        .bind(new.bundle.as_bytes().as_slice())
        .bind(new.now.0)
        .bind(new.due_at.0)
        .execute(&mut *tx)
        .await?;
        append(&mut tx, &new.events).await?;
        tx.commit().await?;
        Ok(Reset { bundle: new.bundle, begun_at: new.now, due_at: new.due_at, is_new: true })
    }

    async fn reset(&self, user: UserId) -> Result<Option<Reset>, DbError> {
        sqlx::query("SELECT bundle_hash, begun_at, due_at FROM key_resets WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?
            .map(|row| reset(&row))
            .transpose()
    }

    async fn resets(&self, users: &[UserId]) -> Result<Vec<(UserId, Reset)>, DbError> {
        at_most(users, 1000, "a list of people")?;
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT user_id, bundle_hash, begun_at, due_at FROM key_resets WHERE user_id IN (",
        );
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(user.as_bytes().as_slice());
        }
        query.push(")");
        let rows = query.build().persistent(false).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((UserId::from_bytes(row.octets("user_id")?), reset(row)?))).collect()
    }

    async fn stop_reset(&self, user: UserId, bundle: Digest, events: &[NewEvent]) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let gone = sqlx::query("DELETE FROM key_resets WHERE user_id = $1 AND bundle_hash = $2")
            .bind(user.as_bytes().as_slice())
            .bind(bundle.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn reset(row: &Row) -> Result<Reset, DbError> {
    Ok(Reset {
        bundle: Digest::from_bytes(row.octets("bundle_hash")?),
        begun_at: row.time("begun_at")?,
        due_at: row.time("due_at")?,
        is_new: false,
    })
}
