//! The directory of bundles.

use async_trait::async_trait;
use envelope::ids::{RootId, UserId};
use sqlx::QueryBuilder;

use super::erasure::must_live;
use super::factors::withdraw_offer;
use super::rows::{Columns, at_most};
use super::{Connection, Driver, Row};
use crate::{DbError, Digest, Directory, NewBundle, PublishAnswer, StoredBundle};

#[async_trait]
impl Directory for Driver {
    async fn publish_bundle(&self, new: NewBundle) -> Result<PublishAnswer, DbError> {
        let user = new.user.as_bytes().as_slice();
        let mut tx = self.write().await?;
        must_live(&mut tx, new.user).await?;
        let there = sqlx::query("SELECT hash FROM bundles WHERE user_id = $1 AND seq = $2")
            .bind(user)
            .bind(i64::from(new.seq))
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = there
            && row.octets("hash")? == *new.hash.as_bytes()
        {
            return Ok(PublishAnswer::Same);
        }
        let newest =
            sqlx::query("SELECT seq, hash FROM bundles WHERE user_id = $1 ORDER BY seq DESC LIMIT 1")
                .bind(user)
                .fetch_optional(&mut *tx)
                .await?;
        let newest = match newest {
            None => None,
            Some(row) => Some((row.small("seq")?, Digest::from_bytes(row.octets("hash")?))),
        };
        let continues = match (newest, new.previous) {
            (None, None) => new.seq == 1,
            (Some((seq, hash)), Some(previous)) => seq.checked_add(1) == Some(new.seq) && hash == previous,
            _ => false,
        };
        if new.by_reset {
            let due = sqlx::query(
                "SELECT 1 AS due FROM key_resets WHERE user_id = $1 AND bundle_hash = $2 AND due_at <= $3",
            );
            let due = due.bind(user).bind(new.hash.as_bytes().as_slice()).bind(new.now.0);
            if due.fetch_optional(&mut *tx).await?.is_none() {
                return Ok(PublishAnswer::Stopped);
            }
        }
        if !continues {
            return Ok(PublishAnswer::Conflict { newest: newest.map(|(seq, _)| seq) });
        }
        sqlx::query(
            "INSERT INTO bundles (user_id, seq, hash, root_id, created_at, bundle) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(user)
        .bind(i64::from(new.seq))
        .bind(new.hash.as_bytes().as_slice())
        .bind(new.root.as_bytes().as_slice())
        .bind(new.now.0)
        .bind(new.bundle.as_slice())
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM key_resets WHERE user_id = $1").bind(user).execute(&mut *tx).await?;
        withdraw_offer(&mut tx, new.user).await?;
        super::audit::append(&mut tx, &new.events).await?;
        tx.commit().await?;
        Ok(PublishAnswer::Published)
    }

    async fn newest_bundle(&self, user: UserId) -> Result<Option<StoredBundle>, DbError> {
        sqlx::query(
            "SELECT user_id, seq, hash, root_id, bundle FROM bundles WHERE user_id = $1
             ORDER BY seq DESC LIMIT 1",
        )
        .bind(user.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?
        .map(|row| bundle(&row))
        .transpose()
    }

    async fn newest_bundles(&self, users: &[UserId]) -> Result<Vec<StoredBundle>, DbError> {
        at_most(users, 1000, "a list of people")?;
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT b.user_id, b.seq, b.hash, b.root_id, b.bundle FROM bundles b
             WHERE b.seq = (SELECT MAX(n.seq) FROM bundles n WHERE n.user_id = b.user_id) AND b.user_id IN (",
        );
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(user.as_bytes().as_slice());
        }
        query.push(")");
        query.build().persistent(false).fetch_all(&self.readers).await?.iter().map(bundle).collect()
    }

    async fn bundle_chain(
        &self,
        user: UserId,
        from_seq: u32,
        limit: u32,
    ) -> Result<Vec<StoredBundle>, DbError> {
        sqlx::query(
            "SELECT user_id, seq, hash, root_id, bundle FROM bundles WHERE user_id = $1 AND seq >= $2
             ORDER BY seq LIMIT $3",
        )
        .bind(user.as_bytes().as_slice())
        .bind(i64::from(from_seq))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(bundle)
        .collect()
    }
}

fn bundle(row: &Row) -> Result<StoredBundle, DbError> {
    Ok(StoredBundle {
        user: UserId::from_bytes(row.octets("user_id")?),
        seq: row.small("seq")?,
        bundle: row.bytes("bundle")?,
        hash: Digest::from_bytes(row.octets("hash")?),
        root: RootId::from_bytes(row.octets("root_id")?),
    })
}

/// The number of the newest bundle of a person, as this transaction sees it.
pub(super) async fn newest_seq(tx: &mut Connection, user: UserId) -> Result<Option<u32>, DbError> {
    sqlx::query("SELECT seq FROM bundles WHERE user_id = $1 ORDER BY seq DESC LIMIT 1")
        .bind(user.as_bytes().as_slice())
        .fetch_optional(tx)
        .await?
        .map(|row| row.small("seq"))
        .transpose()
}
