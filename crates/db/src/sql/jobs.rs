//! Leases, expiry and tidying.

use std::collections::HashSet;

use async_trait::async_trait;
use envelope::ids::FileId;
use sqlx::QueryBuilder;

use super::audit::append_expired;
use super::files::{ENDED, EXPIRED, OPEN, end_file};
use super::rows::{Columns, at_most, integer};
use super::{Connection, Driver, Engine};
use crate::{BlobRef, DbError, Doomed, FencingToken, Job, Jobs, Lease, Purged, Retention, UnixTime};

/// Files that end in one transaction.
const DUE_AT_ONCE: u32 = 32;

/// How far the clocks of those who take leases may be apart.
const CLOCKS_APART: i64 = 300;
/// No backup holds its lease for longer without prolonging it; one of a clock that was ahead would keep everything undeleted.
const BACKUP_LEASE_MAX: i64 = 3_600;

/// The doomed, unless a backup runs; its plan is checked by a test.
pub(crate) const DOOMED: &str = "SELECT blob FROM doomed_blobs
    WHERE doomed_at <= $2 AND NOT EXISTS (SELECT 1 FROM leases WHERE job = 'backup' AND expires_at > $2 AND expires_at <= $3)
    ORDER BY doomed_at LIMIT $1";

#[async_trait]
impl Jobs for Driver {
    async fn take_lease(
        &self,
        job: Job,
        holder: &str,
        now: UnixTime,
        ttl_secs: u32,
    ) -> Result<Option<FencingToken>, DbError> {
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "INSERT INTO leases (job, holder, token, expires_at) VALUES ($1, $2, 1, $3)
             ON CONFLICT (job) DO UPDATE SET
                 token = CASE WHEN leases.holder = excluded.holder AND leases.expires_at > $4
                                   AND leases.expires_at <= $5 THEN leases.token
                              ELSE leases.token + 1 END,
                 holder = excluded.holder,
                 expires_at = excluded.expires_at
             WHERE leases.expires_at <= $4 OR leases.expires_at > $5 OR leases.holder = excluded.holder
             RETURNING token",
        )
        .bind(job.as_str())
        .bind(holder)
        .bind(now.plus(ttl_secs.into()).0)
        .bind(now.0)
        // What is held for longer was taken by a clock that was ahead: nobody would get it back before that time comes.
        .bind(now.plus(i64::from(ttl_secs) + CLOCKS_APART).0)
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        row.map(|row| Ok(FencingToken(row.natural("token")?))).transpose()
    }

    async fn seize_lease(
        &self,
        job: Job,
        holder: &str,
        now: UnixTime,
        ttl_secs: u32,
    ) -> Result<FencingToken, DbError> {
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "INSERT INTO leases (job, holder, token, expires_at) VALUES ($1, $2, 1, $3)
             ON CONFLICT (job) DO UPDATE SET
                 token = leases.token + 1, holder = excluded.holder, expires_at = excluded.expires_at
             RETURNING token",
        )
        .bind(job.as_str())
        .bind(holder)
        .bind(now.plus(ttl_secs.into()).0)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(FencingToken(row.natural("token")?))
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), DbError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE leases SET expires_at = 0 WHERE job = $1 AND token = $2")
            .bind(lease.job.as_str())
            .bind(integer(lease.token.0, "a fencing token")?)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn doom_expired(
        &self,
        now: UnixTime,
        limit: u32,
        lease: &Lease,
    ) -> Result<Option<Doomed>, DbError> {
        let mut doomed = Doomed::default();
        loop {
            let left = limit.saturating_sub(doomed.files + doomed.uploads).min(DUE_AT_ONCE);
            // Few in one transaction, so that a long list does not keep other writers waiting.
            let mut tx = self.write().await?;
            if !is_held(&mut tx, lease, now).await? {
                return Ok(None);
            }
            let due = sqlx::query(concat!(
                "SELECT file_id, state, is_member FROM files WHERE state < 2 AND expires_at <= $1
                 ORDER BY expires_at LIMIT $2",
                locked!()
            ))
            .bind(now.0)
            .bind(i64::from(left))
            .fetch_all(&mut *tx)
            .await?;
            if due.is_empty() {
                return Ok(Some(doomed));
            }
            for file in due {
                let file_id = FileId::from_bytes(file.octets("file_id")?);
                if file.natural("state")? == OPEN {
                    end_file(&mut tx, file_id, ENDED, now).await?;
                    doomed.uploads += 1;
                    continue;
                }
                // Nobody could see a member by itself, so nobody is told of its end by itself.
                if file.flag("is_member")? {
                    end_file(&mut tx, file_id, ENDED, now).await?;
                } else {
                    append_expired(&mut tx, file_id, now).await?;
                    end_file(&mut tx, file_id, EXPIRED, now).await?;
                }
                doomed.files += 1;
            }
            tx.commit().await?;
        }
    }

    async fn doomed_blobs(&self, limit: u32, now: UnixTime) -> Result<Vec<BlobRef>, DbError> {
        // One statement: a backup that begins between asking and answering is seen, or its copy has them as doomed.
        sqlx::query(DOOMED)
            .bind(i64::from(limit.clamp(1, 1000)))
            .bind(now.0)
            .bind(now.plus(BACKUP_LEASE_MAX).0)
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| row.blob("blob"))
            .collect()
    }

    async fn is_backup_running(&self, now: UnixTime) -> Result<bool, DbError> {
        let held =
            sqlx::query("SELECT 1 FROM leases WHERE job = 'backup' AND expires_at > $1 AND expires_at <= $2")
                .bind(now.0)
                .bind(now.plus(BACKUP_LEASE_MAX).0)
                .fetch_optional(&self.readers)
                .await?;
        Ok(held.is_some())
    }

    async fn forget_blobs(&self, blobs: &[BlobRef]) -> Result<(), DbError> {
        at_most(blobs, 1000, "a list of blobs")?;
        if blobs.is_empty() {
            return Ok(());
        }
        let mut query = QueryBuilder::new("DELETE FROM doomed_blobs WHERE blob IN (");
        let mut list = query.separated(", ");
        for blob in blobs {
            list.push_bind(blob.as_str());
        }
        query.push(")");
        query.build().persistent(false).execute(&self.writer).await?;
        Ok(())
    }

    async fn known_blobs(&self, blobs: &[BlobRef]) -> Result<HashSet<BlobRef>, DbError> {
        at_most(blobs, 1000, "a list of blobs")?;
        let mut known = HashSet::new();
        if blobs.is_empty() {
            return Ok(known);
        }
        // One statement, so that a blob that moves from a part to the doomed is seen in one of both.
        let mut query = QueryBuilder::new("SELECT blob FROM parts WHERE blob IN (");
        push_list(&mut query, blobs);
        query.push(") UNION SELECT leaves_blob FROM files WHERE leaves_blob IN (");
        push_list(&mut query, blobs);
        query.push(") UNION SELECT blob FROM doomed_blobs WHERE blob IN (");
        push_list(&mut query, blobs);
        query.push(")");
        for row in query.build().persistent(false).fetch_all(&self.readers).await? {
            known.insert(row.blob("blob")?);
        }
        Ok(known)
    }

    async fn purge(&self, now: UnixTime, keep: Retention) -> Result<Purged, DbError> {
        let mut tx = self.write().await?;
        let codes = sqlx::query("DELETE FROM codes WHERE window_ends_at <= $1 AND expires_at <= $1")
            .bind(now.0)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        let sessions = sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
            .bind(now.0)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        sqlx::query("DELETE FROM refresh_tokens WHERE expires_at <= $1")
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM half_sign_ins WHERE expires_at <= $1").bind(now.0).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM invitations WHERE expires_at <= $1").bind(now.0).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM ceremonies WHERE expires_at <= $1").bind(now.0).execute(&mut *tx).await?;
        let windows = sqlx::query("DELETE FROM limit_windows WHERE ends_at <= $1")
            .bind(now.0)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        let tickets = sqlx::query("DELETE FROM tickets WHERE first_at <= $1")
            .bind(now.plus(-i64::from(keep.tickets_secs)).0)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        for (forget, before) in [
            ("DELETE FROM link_downloads WHERE first_at <= $1", now.plus(-i64::from(keep.tickets_secs))),
            ("DELETE FROM link_nonces WHERE ends_at <= $1", now),
            ("DELETE FROM link_guesses WHERE ends_at <= $1", now),
            ("DELETE FROM boxes WHERE expires_at <= $1", now.plus(-i64::from(keep.expired_secs))),
            ("DELETE FROM boxes WHERE closed_at <= $1", now.plus(-i64::from(keep.expired_secs))),
        ] {
            sqlx::query(forget).bind(before.0).execute(&mut *tx).await?;
        }
        sqlx::query("DELETE FROM changes WHERE gone_at > 0 AND gone_at <= $1")
            .bind(now.plus(-i64::from(keep.gone_secs)).0)
            .execute(&mut *tx)
            .await?;
        // The triggers know no time: what has left since the last purge is dated now.
        sqlx::query("UPDATE changes SET gone_at = $1 WHERE gone_at = 0")
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        let forgotten = now.plus(-i64::from(keep.expired_secs)).0;
        let mut grants = 0;
        for forget in [
            "DELETE FROM grants WHERE file_id IN (SELECT file_id FROM files WHERE state = 3 AND expires_at <= $1)",
            "DELETE FROM key_grants WHERE file_id IN (SELECT file_id FROM files WHERE state = 3 AND expires_at <= $1)",
            "DELETE FROM links WHERE file_id IN (SELECT file_id FROM files WHERE state = 3 AND expires_at <= $1)",
            "DELETE FROM v0_files WHERE file_id IN (SELECT file_id FROM files WHERE state = 3 AND expires_at <= $1)",
        ] {
            grants += sqlx::query(forget).bind(forgotten).execute(&mut *tx).await?.rows_affected();
        }
        sqlx::query("UPDATE files SET state = 2 WHERE state = 3 AND expires_at <= $1")
            .bind(forgotten)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Purged { codes, sessions, windows, tickets, grants })
    }
}

fn push_list(query: &mut QueryBuilder<Engine>, blobs: &[BlobRef]) {
    let mut list = query.separated(", ");
    for blob in blobs {
        list.push_bind(blob.as_str().to_owned());
    }
}

/// Whether a lease is still that of the one who shows it.
pub(super) async fn is_held(tx: &mut Connection, lease: &Lease, now: UnixTime) -> Result<bool, DbError> {
    let held = sqlx::query("SELECT 1 FROM leases WHERE job = $1 AND token = $2 AND expires_at > $3")
        .bind(lease.job.as_str())
        .bind(integer(lease.token.0, "a fencing token")?)
        .bind(now.0)
        .fetch_optional(tx)
        .await?;
    Ok(held.is_some())
}
