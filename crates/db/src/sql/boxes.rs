//! Drop boxes.

use async_trait::async_trait;
use envelope::BoxId;
use envelope::ids::{FileId, UserId};

use super::audit::append;
use super::erasure::must_live;
use super::files::{ENDED, end_file, view};
use super::rows::{Columns, integer};
use super::uploads::upload;
use super::{Connection, Driver, Row};
use crate::{
    BeginAnswer, Boxes, DbError, Digest, FileCursor, FileView, IntoBox, MakeBoxAnswer, NewBox, NewEvent,
    NewUpload, OpenBox, StoredBox, UnixTime, Upload,
};

/// An open box.
const OPEN_BOX: &str = "SELECT b.owner, b.description, b.expires_at, b.max_files, b.max_body, b.arrivals
    FROM boxes b JOIN accounts a ON a.user_id = b.owner
    WHERE b.box_id = $1 AND b.closed_at IS NULL AND b.expires_at > $2
        AND a.suspended_at IS NULL AND a.erased_at IS NULL";

/// A box as its owner sees it; what follows says which.
macro_rules! owned {
    ($which:literal) => {
        concat!(
            "SELECT b.box_id, b.description, b.arrivals, b.closed_at IS NOT NULL AS closed,
                (SELECT COUNT(*) FROM files f WHERE f.box_id = b.box_id AND f.state = 0 AND f.expires_at > $2)
                    AS under_way
            FROM boxes b ",
            $which
        )
    };
}

#[async_trait]
impl Boxes for Driver {
    async fn make_box(&self, new: NewBox) -> Result<MakeBoxAnswer, DbError> {
        let max_body = new.max_body.map(|len| integer(len, "the length of a body")).transpose()?;
        let (id, owner) = (new.id.as_bytes().as_slice(), new.owner.as_bytes().as_slice());
        let mut tx = self.write().await?;
        must_live(&mut tx, new.owner).await?;
        let there = sqlx::query("SELECT owner, description FROM boxes WHERE box_id = $1")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(there) = there {
            let same = there.octets::<16>("owner")? == *new.owner.as_bytes()
                && there.bytes("description")? == new.description;
            if !same {
                return Ok(MakeBoxAnswer::Conflict);
            }
        } else {
            let open = sqlx::query(
                "SELECT COUNT(*) AS open FROM boxes WHERE owner = $1 AND closed_at IS NULL AND expires_at > $2",
            )
            .bind(owner)
            .bind(new.now.0)
            .fetch_one(&mut *tx)
            .await?;
            if open.small("open")? >= new.max_of_owner {
                return Ok(MakeBoxAnswer::TooMany);
            }
            sqlx::query(
                "INSERT INTO boxes (box_id, owner, description, created_at, expires_at, max_files, max_body)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(id)
            .bind(owner)
            .bind(new.description.as_slice())
            .bind(new.now.0)
            .bind(new.expires_at.0)
            .bind(new.max_files.map(i64::from))
            .bind(max_body)
            .execute(&mut *tx)
            .await?;
            append(&mut tx, &new.events).await?;
        }
        let row =
            sqlx::query(owned!("WHERE b.box_id = $1")).bind(id).bind(new.now.0).fetch_one(&mut *tx).await?;
        let made = stored(&row)?;
        tx.commit().await?;
        Ok(MakeBoxAnswer::Made(made))
    }

    async fn boxes_of(&self, owner: UserId, now: UnixTime, limit: u32) -> Result<Vec<StoredBox>, DbError> {
        sqlx::query(owned!("WHERE b.owner = $1 ORDER BY b.created_at DESC, b.box_id LIMIT $3"))
            .bind(owner.as_bytes().as_slice())
            .bind(now.0)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(stored)
            .collect()
    }

    async fn open_box(&self, id: BoxId, now: UnixTime) -> Result<Option<OpenBox>, DbError> {
        let row = sqlx::query(OPEN_BOX)
            .bind(id.as_bytes().as_slice())
            .bind(now.0)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| {
            Ok(OpenBox {
                owner: UserId::from_bytes(row.octets("owner")?),
                description: row.bytes("description")?,
                expires_at: row.time("expires_at")?,
                max_body: row.maybe_natural("max_body")?,
            })
        })
        .transpose()
    }

    async fn close_box(
        &self,
        owner: UserId,
        id: BoxId,
        now: UnixTime,
        events: &[NewEvent],
    ) -> Result<bool, DbError> {
        let id = id.as_bytes().as_slice();
        let mut tx = self.write().await?;
        let closed = sqlx::query(
            "UPDATE boxes SET closed_at = $3 WHERE box_id = $1 AND owner = $2 AND closed_at IS NULL",
        )
        .bind(id)
        .bind(owner.as_bytes().as_slice())
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        if closed.rows_affected() == 0 {
            return Ok(false);
        }
        let under_way = sqlx::query(concat!(
            "SELECT file_id FROM files WHERE box_id = $1 AND state = 0 AND visitor_key IS NOT NULL",
            locked!()
        ))
        .bind(id)
        .fetch_all(&mut *tx)
        .await?;
        for row in under_way {
            end_file(&mut tx, FileId::from_bytes(row.octets("file_id")?), ENDED, now).await?;
        }
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn visitor_upload(
        &self,
        id: BoxId,
        file_id: FileId,
        key: Digest,
        now: UnixTime,
    ) -> Result<Option<Upload>, DbError> {
        // What has arrived is told to whoever sent it even if the box has been closed since: an answer may be lost.
        let row = sqlx::query(
            "SELECT f.file_id, f.owner, f.part_len, f.declared_len, f.state, f.created_at, f.expires_at,
                    f.received_bytes, f.received_parts, f.stored_bytes, f.box_id
             FROM files f
             WHERE f.file_id = $1 AND f.box_id = $2 AND f.visitor_key = $3
                 AND (f.state = 1 OR (f.state = 0 AND f.expires_at > $4 AND EXISTS (
                     SELECT 1 FROM boxes b JOIN accounts a ON a.user_id = b.owner
                     WHERE b.box_id = f.box_id AND b.closed_at IS NULL AND b.expires_at > $4
                         AND a.suspended_at IS NULL AND a.erased_at IS NULL)))",
        )
        .bind(file_id.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .bind(key.as_bytes().as_slice())
        .bind(now.0)
        .fetch_optional(&self.readers)
        .await?;
        Ok(row.map(|row| upload(&row)).transpose()?.flatten())
    }

    async fn list_box(
        &self,
        user: UserId,
        id: BoxId,
        after: Option<FileCursor>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<FileView>, DbError> {
        let after = after
            .unwrap_or(FileCursor { listed_at: UnixTime(i64::MAX), file_id: FileId::from_bytes([0xFF; 16]) });
        sqlx::query(
            "SELECT f.file_id, f.owner, f.part_len, f.finished_at, f.expires_at, f.received_bytes,
                f.received_parts, f.downloads, f.max_downloads, f.revision, f.body_len, f.content_id, f.author_root,
                f.manifest_digest, f.manifest, f.box_id, f.box_owner, g.bytes AS grant_bytes, g.given_by, g.listed_at
             FROM files f JOIN grants g ON g.file_id = f.file_id AND g.user_id = $1
             WHERE f.box_id = $6 AND f.box_owner = $1 AND (g.listed_at, g.file_id) < ($2, $3)
                 AND f.state = 1 AND f.expires_at > $4
             ORDER BY g.listed_at DESC, g.file_id DESC LIMIT $5",
        )
        .bind(user.as_bytes().as_slice())
        .bind(after.listed_at.0)
        .bind(after.file_id.as_bytes().as_slice())
        .bind(now.0)
        .bind(i64::from(limit.clamp(1, 500)))
        .bind(id.as_bytes().as_slice())
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(|row| view(row, user))
        .collect()
    }
}

/// Whose box it is, if an upload may begin into it; else why not. The transaction writes from its first moment on, so
/// that nobody begins another meanwhile.
pub(super) async fn admit(
    tx: &mut Connection,
    new: &NewUpload,
    into: &IntoBox,
) -> Result<Result<UserId, BeginAnswer>, DbError> {
    let id = into.id.as_bytes().as_slice();
    let Some(row) = sqlx::query(OPEN_BOX).bind(id).bind(new.now.0).fetch_optional(&mut *tx).await? else {
        return Ok(Err(BeginAnswer::NoBox));
    };
    let owner = UserId::from_bytes(row.octets("owner")?);
    if into.visitor.is_some() && owner != new.owner {
        return Ok(Err(BeginAnswer::NoBox));
    }
    let longest = row.maybe_natural("max_body")?;
    if longest.zip(new.body_len).is_some_and(|(longest, len)| len > longest) {
        return Ok(Err(BeginAnswer::TooLargeForBox));
    }
    let open = sqlx::query(
        "SELECT COUNT(*) AS open, COUNT(visitor_key) AS of_visitors FROM files
         WHERE box_id = $1 AND state = 0 AND expires_at > $2",
    )
    .bind(id)
    .bind(new.now.0)
    .fetch_one(&mut *tx)
    .await?;
    if into.visitor.is_some() && open.small("of_visitors")? >= into.max_open {
        return Ok(Err(BeginAnswer::BoxBusy));
    }
    let taken = row.natural("arrivals")?.saturating_add(open.natural("open")?);
    let full = row.maybe_natural("max_files")?.is_some_and(|most| taken >= most);
    Ok(if full { Err(BeginAnswer::BoxFull) } else { Ok(owner) })
}

/// Counts an arrival into the box that an upload began for. `false` if that box takes it no longer.
pub(super) async fn arrive(
    tx: &mut Connection,
    id: [u8; 16],
    body_len: i64,
    now: UnixTime,
) -> Result<bool, DbError> {
    let counted = sqlx::query(
        "UPDATE boxes SET arrivals = arrivals + 1
         WHERE box_id = $1 AND closed_at IS NULL AND expires_at > $2
             AND (max_body IS NULL OR max_body >= $3) AND (max_files IS NULL OR arrivals < max_files)
             AND EXISTS (SELECT 1 FROM accounts a
                 WHERE a.user_id = boxes.owner AND a.suspended_at IS NULL AND a.erased_at IS NULL)",
    )
    .bind(id.as_slice())
    .bind(now.0)
    .bind(body_len)
    .execute(tx)
    .await?;
    Ok(counted.rows_affected() == 1)
}

fn stored(row: &Row) -> Result<StoredBox, DbError> {
    Ok(StoredBox {
        id: BoxId::from_bytes(row.octets("box_id")?),
        description: row.bytes("description")?,
        arrivals: row.small("arrivals")?,
        under_way: row.small("under_way")?,
        closed: row.flag("closed")?,
    })
}
