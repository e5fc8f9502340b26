//! Files of the documented API.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use super::audit::append;
use super::files::{EXPIRED, FILE};
use super::rows::{Columns, at_most, integer};
use super::uploads::{Full, charge};
use super::{Driver, Row};
use crate::{AddV0Answer, DbError, FileCursor, NewEvent, NewV0File, UnixTime, V0, V0Access, V0File, V0Stats};

#[async_trait]
impl V0 for Driver {
    async fn add_v0_file(&self, new: NewV0File) -> Result<AddV0Answer, DbError> {
        at_most(&new.readers, 1000, "a list of readers")?;
        let len = integer(new.len, "the length of a file")?;
        let file = new.file_id.as_bytes().as_slice();
        let mut tx = self.write().await?;
        if let Err(Full { used, quota }) = charge(&mut tx, new.owner, len, new.quota_bytes).await? {
            return Ok(AddV0Answer::QuotaExceeded { used, quota });
        }
        sqlx::query(
            "INSERT INTO files (file_id, owner, state, part_len, created_at, expires_at, received_bytes, received_parts,
                 stored_bytes, stored_parts, charged_bytes, finished_at, body_len, body_root)
             VALUES ($1, $2, 1, 0, $3, $4, $5, 1, $5, 1, $5, $3, $5, $6)",
        )
        .bind(file)
        .bind(new.owner.as_bytes().as_slice())
        .bind(new.now.0)
        .bind(new.expires_at.0)
        .bind(len)
        .bind(new.node.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO parts (file_id, n, len, is_final, node, blob) VALUES ($1, 0, $2, 1, $3, $4)",
        )
        .bind(file)
        .bind(len)
        .bind(new.node.as_bytes().as_slice())
        .bind(new.blob.as_str())
        .execute(&mut *tx)
        .await?;
        sqlx::query("INSERT INTO v0_files (file_id, sealed_name, sealed) VALUES ($1, $2, $3)")
            .bind(file)
            .bind(new.sealed_name.as_slice())
            .bind(new.sealed.as_slice())
            .execute(&mut *tx)
            .await?;
        for reader in &new.readers {
            sqlx::query("INSERT INTO v0_readers (file_id, lookup) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(file)
                .bind(reader.as_bytes().as_slice())
                .execute(&mut *tx)
                .await?;
        }
        append(&mut tx, &new.events).await?;
        tx.commit().await?;
        Ok(AddV0Answer::Added)
    }

    async fn v0_file(&self, user: UserId, file_id: FileId, now: UnixTime) -> Result<V0Access, DbError> {
        let row = sqlx::query(
            "SELECT f.file_id, f.owner, v.sealed_name, f.stored_bytes, f.created_at, f.expires_at, f.downloads, f.state,
                    (f.owner = $2 OR EXISTS (SELECT 1 FROM v0_readers r JOIN accounts a ON a.lookup = r.lookup
                        WHERE r.file_id = f.file_id AND a.user_id = $2)) AS may
             FROM v0_files v JOIN files f ON f.file_id = v.file_id WHERE v.file_id = $1",
        )
        .bind(file_id.as_bytes().as_slice())
        .bind(user.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(V0Access::Nothing) };
        let state = row.natural("state")?;
        if state != FILE && state != EXPIRED {
            return Ok(V0Access::Nothing);
        }
        if !row.flag("may")? {
            return Ok(V0Access::Forbidden);
        }
        if state == EXPIRED || row.time("expires_at")? <= now {
            return Ok(V0Access::Expired);
        }
        Ok(V0Access::Available(Box::new(v0_file(&row)?)))
    }

    async fn count_v0_download(&self, file_id: FileId, events: &[NewEvent]) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let counted = sqlx::query(
            "UPDATE files SET downloads = downloads + 1
             WHERE file_id = $1 AND state = 1 AND EXISTS (SELECT 1 FROM v0_files v WHERE v.file_id = $1)",
        )
        .bind(file_id.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
        if counted.rows_affected() == 0 {
            return Ok(false);
        }
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn v0_rest(&self, file_id: FileId) -> Result<Option<Vec<u8>>, DbError> {
        let row = sqlx::query(
            "SELECT v.sealed FROM v0_files v JOIN files f ON f.file_id = v.file_id
             WHERE v.file_id = $1 AND f.state = 1",
        )
        .bind(file_id.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| row.bytes("sealed")).transpose()
    }

    async fn v0_files_of(
        &self,
        owner: UserId,
        after: Option<FileCursor>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<V0File>, DbError> {
        let after = after
            .unwrap_or(FileCursor { listed_at: UnixTime(i64::MAX), file_id: FileId::from_bytes([255; 16]) });
        sqlx::query(
            "SELECT f.file_id, f.owner, v.sealed_name, f.stored_bytes, f.created_at, f.expires_at, f.downloads
             FROM files f JOIN v0_files v ON v.file_id = f.file_id
             WHERE f.owner = $1 AND f.state = 1 AND f.expires_at > $2 AND (f.created_at, f.file_id) < ($3, $4)
             ORDER BY f.created_at DESC, f.file_id DESC LIMIT $5",
        )
        .bind(owner.as_bytes().as_slice())
        .bind(now.0)
        .bind(after.listed_at.0)
        .bind(after.file_id.as_bytes().as_slice())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(v0_file)
        .collect()
    }

    async fn v0_files_for(&self, user: UserId, limit: u32, now: UnixTime) -> Result<Vec<V0File>, DbError> {
        sqlx::query(
            "SELECT f.file_id, f.owner, v.sealed_name, f.stored_bytes, f.created_at, f.expires_at, f.downloads
             FROM accounts a JOIN v0_readers r ON r.lookup = a.lookup JOIN v0_files v ON v.file_id = r.file_id
                 JOIN files f ON f.file_id = r.file_id
             WHERE a.user_id = $1 AND f.owner <> $1 AND f.state = 1 AND f.expires_at > $2
             ORDER BY f.created_at DESC, f.file_id DESC LIMIT $3",
        )
        .bind(user.as_bytes().as_slice())
        .bind(now.0)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(v0_file)
        .collect()
    }

    async fn v0_stats(&self, owner: UserId, now: UnixTime) -> Result<V0Stats, DbError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS files, CAST(COALESCE(SUM(f.stored_bytes), 0) AS BIGINT) AS bytes,
                    (SELECT COUNT(*) FROM audit_events WHERE actor = $1)
                        + (SELECT COUNT(*) FROM audit_events WHERE owner = $1 AND owner IS NOT NULL AND owner <> actor)
                        AS events
             FROM files f JOIN v0_files v ON v.file_id = f.file_id
             WHERE f.owner = $1 AND f.state = 1 AND f.expires_at > $2",
        )
        .bind(owner.as_bytes().as_slice())
        .bind(now.0)
        .fetch_one(&self.readers)
        .await?;
        Ok(V0Stats {
            files: row.natural("files")?,
            bytes: row.natural("bytes")?,
            events: row.natural("events")?,
        })
    }
}

fn v0_file(row: &Row) -> Result<V0File, DbError> {
    Ok(V0File {
        file_id: FileId::from_bytes(row.octets("file_id")?),
        owner: UserId::from_bytes(row.octets("owner")?),
        sealed_name: row.bytes("sealed_name")?,
        len: row.natural("stored_bytes")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        downloads: row.small("downloads")?,
    })
}
