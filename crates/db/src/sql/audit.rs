//! The audit log.

use async_trait::async_trait;
use envelope::audit::Link;
use envelope::ids::{EventId, FileId, UserId};
use envelope::merkle::Node;

use super::erasure::must_live;
use super::jobs::is_held;
use super::rows::{Columns, at_most, bound, integer};
use super::{Connection, Driver, Row};
use crate::{
    AppendBatchAnswer, AskActivity, Audit, Batch, DbError, Digest, Lease, NewBatch, NewEvent, StoredEvent,
    UnixTime,
};

/// One page of a person's events, newest first; its plan is checked by a test.
pub(crate) const ACTIVITY: &str = "SELECT e.*,
        (SELECT b.seq FROM audit_batches b WHERE b.last_n >= e.n ORDER BY b.last_n LIMIT 1) AS batch
    FROM (
        SELECT * FROM (SELECT n, id, at, kind, actor, owner, file_id, other, sealed FROM audit_events
            WHERE actor = $1 AND n > 0 AND n < $2 AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR file_id = $4) AND at >= $5
            ORDER BY n DESC LIMIT $6) AS done
        UNION ALL
        SELECT * FROM (SELECT n, id, at, kind, actor, owner, file_id, other, sealed FROM audit_events
            WHERE owner = $1 AND owner <> actor AND n > 0 AND n < $2 AND ($3 IS NULL OR kind = $3)
                AND ($4 IS NULL OR file_id = $4) AND at >= $5
            ORDER BY n DESC LIMIT $6) AS met
    ) e ORDER BY e.n DESC LIMIT $6";

const NEWEST_BATCH: &str = "SELECT seq, last_n, count, last_time, digest, head, signature FROM audit_batches
    ORDER BY seq DESC LIMIT 1";

const BATCHES: &str = "SELECT seq, last_n, count, last_time, digest, head, signature FROM audit_batches
    WHERE seq >= $1 ORDER BY seq LIMIT $2";

#[async_trait]
impl Audit for Driver {
    async fn append_events(&self, events: &[NewEvent]) -> Result<(), DbError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn activity_of(&self, ask: AskActivity) -> Result<Vec<StoredEvent>, DbError> {
        sqlx::query(ACTIVITY)
            .bind(ask.user.as_bytes().as_slice())
            .bind(ask.before.map_or(i64::MAX, bound))
            .bind(ask.kind.map(|kind| kind.as_str()))
            .bind(ask.file_id.as_ref().map(|file| file.as_bytes().as_slice()))
            .bind(ask.since.map_or(i64::MIN, |since| since.0))
            .bind(i64::from(ask.limit.clamp(1, 500)))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(event)
            .collect()
    }

    async fn events_after(&self, n: u64, limit: u32) -> Result<Vec<StoredEvent>, DbError> {
        sqlx::query(
            "SELECT n, id, at, kind, actor, owner, file_id, other, sealed,
                 (SELECT b.seq FROM audit_batches b WHERE b.last_n >= e.n ORDER BY b.last_n LIMIT 1) AS batch
             FROM audit_events e WHERE n > $1 ORDER BY n LIMIT $2",
        )
        .bind(bound(n))
        .bind(i64::from(limit.clamp(1, 10_000)))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(event)
        .collect()
    }

    async fn append_batch(
        &self,
        new: NewBatch,
        lease: &Lease,
        now: UnixTime,
    ) -> Result<AppendBatchAnswer, DbError> {
        let mut tx = self.write().await?;
        if !is_held(&mut tx, lease, now).await? {
            return Ok(AppendBatchAnswer::NotHeld);
        }
        let newest = sqlx::query("SELECT seq, last_n, head FROM audit_batches ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut *tx)
            .await?;
        let (seq, last_n, head) = match newest {
            None => (0, 0, [0; 32]),
            Some(row) => (row.natural("seq")?, row.natural("last_n")?, row.octets("head")?),
        };
        if new.link.seq != seq + 1 || new.last_n <= last_n || *new.previous.as_bytes() != head {
            return Ok(AppendBatchAnswer::Conflict);
        }
        sqlx::query(
            "INSERT INTO audit_batches (seq, last_n, count, last_time, digest, head, signature, leaves)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(integer(new.link.seq, "the number of a batch")?)
        .bind(integer(new.last_n, "the number of an event")?)
        .bind(i64::from(new.link.count))
        .bind(new.link.last_time)
        .bind(new.link.digest.as_bytes().as_slice())
        .bind(new.head.as_bytes().as_slice())
        .bind(new.signature.as_slice())
        .bind(new.leaves.as_slice())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(AppendBatchAnswer::Appended)
    }

    async fn newest_batch(&self) -> Result<Option<Batch>, DbError> {
        sqlx::query(NEWEST_BATCH).fetch_optional(&self.readers).await?.map(|row| batch(&row)).transpose()
    }

    async fn batches_from(&self, seq: u64, limit: u32) -> Result<Vec<Batch>, DbError> {
        sqlx::query(BATCHES)
            .bind(bound(seq))
            .bind(i64::from(limit.clamp(1, 1000)))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(batch)
            .collect()
    }

    async fn leaves_of_batch(&self, seq: u64) -> Result<Option<Vec<u8>>, DbError> {
        sqlx::query("SELECT leaves FROM audit_batches WHERE seq = $1")
            .bind(bound(seq))
            .fetch_optional(&self.readers)
            .await?
            .map(|row| row.bytes("leaves"))
            .transpose()
    }

    async fn audit_key(&self, user: UserId) -> Result<Option<Vec<u8>>, DbError> {
        sqlx::query("SELECT sealed FROM audit_keys WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?
            .map(|row| row.bytes("sealed"))
            .transpose()
    }

    async fn keep_audit_key(&self, user: UserId, sealed: Vec<u8>) -> Result<Vec<u8>, DbError> {
        let mut tx = self.write().await?;
        // Nothing is written of somebody who has left under a key that nobody would destroy.
        must_live(&mut tx, user).await?;
        let kept = sqlx::query(
            "INSERT INTO audit_keys (user_id, sealed) VALUES ($1, $2)
             ON CONFLICT (user_id) DO UPDATE SET sealed = audit_keys.sealed
             RETURNING sealed",
        )
        .bind(user.as_bytes().as_slice())
        .bind(sealed)
        .fetch_one(&mut *tx)
        .await?
        .bytes("sealed")?;
        tx.commit().await?;
        Ok(kept)
    }

    async fn forget_audit_key(&self, user: UserId) -> Result<bool, DbError> {
        let gone = sqlx::query("DELETE FROM audit_keys WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .execute(&self.writer)
            .await?;
        Ok(gone.rows_affected() == 1)
    }
}

/// Appends events within a transaction that does what they tell of.
pub(super) async fn append(tx: &mut Connection, events: &[NewEvent]) -> Result<(), DbError> {
    at_most(events, 1002, "a list of events")?;
    for event in events {
        sqlx::query(
            "INSERT INTO audit_events (id, at, kind, actor, owner, file_id, other, sealed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(event.id.as_bytes().as_slice())
        .bind(event.at.0)
        .bind(event.kind.as_str())
        .bind(event.actor.as_bytes().as_slice())
        .bind(event.owner.as_ref().map(|owner| owner.as_bytes().as_slice()))
        .bind(event.file_id.as_ref().map(|file| file.as_bytes().as_slice()))
        .bind(event.other.as_ref().map(|other| other.as_bytes().as_slice()))
        .bind(event.sealed.as_slice())
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Appends that a file expired, which no request tells of. The id is the engine's randomness: one that followed from
/// the file's id could be taken by whoever chose that.
pub(super) async fn append_expired(
    tx: &mut Connection,
    file_id: FileId,
    now: UnixTime,
) -> Result<(), DbError> {
    sqlx::query(concat!(
        "INSERT INTO audit_events (id, at, kind, actor, owner, file_id, sealed) SELECT ",
        random_id!(),
        ", $2, $3, owner, owner, file_id, ",
        empty!(),
        " FROM files WHERE file_id = $1"
    ))
    .bind(file_id.as_bytes().as_slice())
    .bind(now.0)
    .bind(envelope::audit::Kind::FileExpired.as_str())
    .execute(tx)
    .await?;
    Ok(())
}

fn event(row: &Row) -> Result<StoredEvent, DbError> {
    let id = |column| match row.maybe_bytes(column)? {
        None => Ok(None),
        Some(bytes) => <[u8; 16]>::try_from(bytes).map(Some).map_err(|_| DbError::Damaged(column)),
    };
    let kind = row.text("kind")?;
    if kind.len() > 255 {
        return Err(DbError::Damaged("kind"));
    }
    Ok(StoredEvent {
        n: row.natural("n")?,
        id: EventId::from_bytes(row.octets("id")?),
        at: row.time("at")?,
        kind,
        actor: UserId::from_bytes(row.octets("actor")?),
        owner: id("owner")?.map(UserId::from_bytes),
        file_id: id("file_id")?.map(FileId::from_bytes),
        other: id("other")?.map(UserId::from_bytes),
        sealed: row.bytes("sealed")?,
        batch: row.maybe_natural("batch")?,
    })
}

fn batch(row: &Row) -> Result<Batch, DbError> {
    Ok(Batch {
        last_n: row.natural("last_n")?,
        link: Link {
            seq: row.natural("seq")?,
            digest: Node::from_bytes(row.octets("digest")?),
            count: row.small("count")?,
            last_time: row.time("last_time")?.0,
        },
        head: Digest::from_bytes(row.octets("head")?),
        signature: row.octets("signature")?,
    })
}
