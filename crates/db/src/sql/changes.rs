//! Changes: triggers write them, this reads them.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use super::Driver;
use super::files::view;
use super::rows::{Columns, integer};
use crate::{Change, Changes, DbError, UnixTime};

/// One page, oldest change first; its plan is checked by a test.
pub(crate) const CHANGED: &str = "SELECT c.seq, c.file_id AS changed, f.file_id IS NOT NULL AS is_there,
        f.file_id, f.owner, f.part_len, f.finished_at, f.expires_at, f.received_bytes,
        f.received_parts, f.downloads, f.max_downloads, f.revision, f.body_len, f.content_id, f.author_root,
        f.manifest_digest, f.manifest, f.box_id, f.box_owner, g.bytes AS grant_bytes, g.given_by, g.listed_at
    FROM changes c
        LEFT JOIN grants g ON g.file_id = c.file_id AND g.user_id = c.user_id AND g.listed_at IS NOT NULL
        LEFT JOIN files f ON f.file_id = g.file_id AND f.state = 1 AND f.expires_at > $3
    WHERE c.user_id = $1 AND c.seq > $2 AND ($2 > 0 OR c.gone_at IS NULL)
    ORDER BY c.seq LIMIT $4";

#[async_trait]
impl Changes for Driver {
    async fn changed_files(
        &self,
        user: UserId,
        after: u64,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<Change>, DbError> {
        let rows = sqlx::query(CHANGED)
            .bind(user.as_bytes().as_slice())
            .bind(integer(after, "the number of a change")?)
            .bind(now.0)
            .bind(i64::from(limit.clamp(1, 500)))
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                let is_there = row.flag("is_there")?;
                Ok(Change {
                    seq: row.natural("seq")?,
                    file_id: FileId::from_bytes(row.octets("changed")?),
                    file: if is_there { Some(Box::new(view(row, user)?)) } else { None },
                })
            })
            .collect()
    }

    async fn last_change(&self) -> Result<u64, DbError> {
        let row = sqlx::query(concat!("SELECT ", last_number!("'changes'"), " AS last"))
            .fetch_one(&self.readers)
            .await?;
        row.natural("last")
    }
}
