//! Files: listing, tickets, and their end.

use async_trait::async_trait;
use envelope::BoxId;
use envelope::ids::{ContentId, FileId, RecipientId, RootId, UserId};
use sqlx::QueryBuilder;
use sqlx::query::Query;

use super::audit::append;
use super::rows::{Columns, at_most};
use super::{Arguments, Connection, Driver, Engine, Row};
use crate::{
    DbError, DeleteAnswer, Digest, FileAccess, FileCursor, FileLayout, FileView, Files, LeaveAnswer,
    MemberView, NewEvent, ReplaceAnswer, ReplaceGrant, RevokeAnswer, Role, TakeTicket, TicketAnswer,
    UnixTime, Usage,
};

/// `files.state`: an open upload.
pub(crate) const OPEN: u64 = 0;
/// `files.state`: a living file.
pub(crate) const FILE: u64 = 1;
/// `files.state`: ended.
pub(crate) const ENDED: u64 = 2;
/// `files.state`: an expired file of which those who could see it are told so.
pub(crate) const EXPIRED: u64 = 3;

/// One page, newest first; its plan is checked by a test.
pub(crate) const LIST: &str =
    "SELECT f.file_id, f.owner, f.part_len, f.finished_at, f.expires_at, f.received_bytes,
        f.received_parts, f.downloads, f.max_downloads, f.revision, f.body_len, f.content_id, f.author_root,
        f.manifest_digest, f.manifest, f.box_id, f.box_owner, g.bytes AS grant_bytes, g.given_by,
        g.listed_at
    FROM grants g JOIN files f ON f.file_id = g.file_id
    WHERE g.user_id = $1 AND (g.listed_at, g.file_id) < ($2, $3) AND f.state = 1 AND f.expires_at > $4
    ORDER BY g.listed_at DESC, g.file_id DESC LIMIT $5";

/// A file that a person may reach, living or expired.
const REACH: &str =
    "SELECT f.state, f.file_id, f.owner, f.part_len, f.finished_at, f.expires_at, f.received_bytes,
        f.received_parts, f.downloads, f.max_downloads, f.revision, f.body_len, f.content_id, f.author_root,
        f.manifest_digest, f.manifest, f.box_id, f.box_owner, g.bytes AS grant_bytes, g.given_by,
        COALESCE(g.listed_at, f.finished_at) AS listed_at
    FROM files f JOIN grants g ON g.file_id = f.file_id AND g.user_id = $1
    WHERE f.file_id = $2 AND f.state IN (1, 3)";

/// Members of a folder that lives; they live as long.
const MEMBER: &str = "FROM members m
        JOIN files b ON b.file_id = m.bundle_id AND b.state = 1
        JOIN files f ON f.file_id = m.member_id AND f.state = 1
    WHERE m.bundle_id = ";

/// A file that has a grant for a bare key, living or expired. A grant of an upload that is still open is not known yet.
const REACH_BY_KEY: &str =
    "SELECT f.state, f.file_id, f.owner, f.part_len, f.finished_at, f.expires_at, f.received_bytes,
        f.received_parts, f.downloads, f.max_downloads, f.revision, f.body_len, f.content_id, f.author_root,
        f.manifest_digest, f.manifest, f.box_id, f.box_owner, k.bytes AS grant_bytes, NULL AS given_by,
        f.finished_at AS listed_at
    FROM key_grants k JOIN files f ON f.file_id = k.file_id
    WHERE k.recipient_id = $1 AND k.file_id = $2 AND f.state IN (1, 3)";

#[async_trait]
impl Files for Driver {
    async fn list_files(
        &self,
        user: UserId,
        after: Option<FileCursor>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<FileView>, DbError> {
        let after = after
            .unwrap_or(FileCursor { listed_at: UnixTime(i64::MAX), file_id: FileId::from_bytes([0xFF; 16]) });
        sqlx::query(LIST)
            .bind(user.as_bytes().as_slice())
            .bind(after.listed_at.0)
            .bind(after.file_id.as_bytes().as_slice())
            .bind(now.0)
            .bind(i64::from(limit.clamp(1, 500)))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| view(row, user))
            .collect()
    }

    async fn file_for(&self, user: UserId, file_id: FileId, now: UnixTime) -> Result<FileAccess, DbError> {
        let row = reach(user, file_id).fetch_optional(&self.readers).await?;
        access(row, user, now)
    }

    async fn file_by_key(
        &self,
        user: UserId,
        file_id: FileId,
        recipient: RecipientId,
        now: UnixTime,
    ) -> Result<FileAccess, DbError> {
        let row = reach_by_key(file_id, recipient).fetch_optional(&self.readers).await?;
        access(row, user, now)
    }

    async fn take_ticket(&self, take: TakeTicket) -> Result<TicketAnswer, DbError> {
        let (user, file) = (take.user.as_bytes().as_slice(), take.file_id.as_bytes().as_slice());
        let mut tx = self.write().await?;
        let query = match take.recipient {
            None => reach(take.user, take.file_id),
            Some(recipient) => reach_by_key(take.file_id, recipient),
        };
        let Some(row) = query.fetch_optional(&mut *tx).await? else { return Ok(TicketAnswer::Nothing) };
        if has_expired(&row, take.now)? {
            return Ok(TicketAnswer::Expired);
        }
        let download = take.download_id.as_bytes().as_slice();
        let renewed = sqlx::query(
            "SELECT 1 FROM tickets WHERE file_id = $1 AND user_id = $2 AND download_id = $3 AND first_at > $4",
        )
        .bind(file)
        .bind(user)
        .bind(download)
        .bind(take.now.plus(-i64::from(take.window_secs)).0)
        .fetch_optional(&mut *tx)
        .await?;
        if renewed.is_some() {
            return Ok(TicketAnswer::Renewed);
        }
        let counts = row.octets::<16>("owner")? != *take.user.as_bytes();
        if counts {
            let counted = sqlx::query(
                "UPDATE files SET downloads = downloads + 1
                 WHERE file_id = $1 AND (max_downloads IS NULL OR downloads < max_downloads)",
            )
            .bind(file)
            .execute(&mut *tx)
            .await?;
            if counted.rows_affected() == 0 {
                return Ok(TicketAnswer::LimitReached);
            }
        }
        sqlx::query(
            "INSERT INTO tickets (file_id, user_id, download_id, first_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (file_id, user_id, download_id) DO UPDATE SET first_at = excluded.first_at",
        )
        .bind(file)
        .bind(user)
        .bind(download)
        .bind(take.now.0)
        .execute(&mut *tx)
        .await?;
        if counts && take.recipient.is_none() {
            sqlx::query("UPDATE grants SET downloads = downloads + 1, fetched_at = $3 WHERE file_id = $1 AND user_id = $2")
                .bind(file)
                .bind(user)
                .bind(take.now.0)
                .execute(&mut *tx)
                .await?;
        }
        let owner = UserId::from_bytes(row.octets("owner")?);
        let owned = |event: &NewEvent| NewEvent { owner: Some(owner), ..event.clone() };
        append(&mut tx, &take.events.iter().map(owned).collect::<Vec<_>>()).await?;
        tx.commit().await?;
        Ok(TicketAnswer::First)
    }

    async fn file_layout(&self, file_id: FileId) -> Result<Option<FileLayout>, DbError> {
        let row = sqlx::query(
            "SELECT part_len, body_len, body_root, leaves_blob, expires_at, ticket_round FROM files
             WHERE file_id = $1 AND state = 1 AND part_len > 0",
        )
        .bind(file_id.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| {
            Ok(FileLayout {
                part_len: row.natural("part_len")?,
                body_len: row.natural("body_len")?,
                body_root: Digest::from_bytes(row.octets("body_root")?),
                leaves_blob: row.maybe_blob("leaves_blob")?,
                expires_at: row.time("expires_at")?,
                ticket_round: row.small("ticket_round")?,
            })
        })
        .transpose()
    }

    async fn members_among(
        &self,
        folder: FileId,
        ids: &[FileId],
        now: UnixTime,
    ) -> Result<Vec<MemberView>, DbError> {
        at_most(ids, 100, "a list of members")?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new("SELECT f.file_id, f.manifest, f.part_len ");
        query.push(MEMBER).push_bind(folder.as_bytes().to_vec());
        query.push(" AND b.expires_at > ").push_bind(now.0);
        query.push(" AND f.expires_at > ").push_bind(now.0);
        query.push(" AND m.member_id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(id.as_bytes().to_vec());
        }
        query.push(")");
        query
            .build()
            .persistent(false)
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| {
                Ok(MemberView {
                    file_id: FileId::from_bytes(row.octets("file_id")?),
                    manifest: row.bytes("manifest")?,
                    part_len: row.natural("part_len")?,
                })
            })
            .collect()
    }

    async fn is_member_of(
        &self,
        folder: FileId,
        member: FileId,
        round: u32,
        now: UnixTime,
    ) -> Result<bool, DbError> {
        let mut query = QueryBuilder::new("SELECT 1 ");
        query.push(MEMBER).push_bind(folder.as_bytes().to_vec());
        query.push(" AND m.member_id = ").push_bind(member.as_bytes().to_vec());
        query.push(" AND b.ticket_round = ").push_bind(i64::from(round));
        query.push(" AND b.expires_at > ").push_bind(now.0);
        Ok(query.build().fetch_optional(&self.readers).await?.is_some())
    }

    async fn keys_of(&self, file_id: FileId) -> Result<Vec<RecipientId>, DbError> {
        sqlx::query("SELECT recipient_id FROM key_grants WHERE file_id = $1 ORDER BY recipient_id LIMIT 1000")
            .bind(file_id.as_bytes().as_slice())
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| row.octets("recipient_id").map(RecipientId::from_bytes))
            .collect()
    }

    async fn revoke_key(
        &self,
        owner: UserId,
        file_id: FileId,
        recipient: RecipientId,
        events: &[NewEvent],
    ) -> Result<RevokeAnswer, DbError> {
        let mut tx = self.write().await?;
        let gone = sqlx::query(
            "DELETE FROM key_grants WHERE file_id = $1 AND recipient_id = $2
                 AND EXISTS (SELECT 1 FROM files f WHERE f.file_id = $1 AND f.owner = $3)",
        )
        .bind(file_id.as_bytes().as_slice())
        .bind(recipient.as_bytes().as_slice())
        .bind(owner.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
        if gone.rows_affected() == 0 {
            return Ok(RevokeAnswer::Nothing);
        }
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(RevokeAnswer::Revoked)
    }

    async fn revoke_grant(
        &self,
        owner: UserId,
        file_id: FileId,
        recipient: UserId,
        events: &[NewEvent],
    ) -> Result<RevokeAnswer, DbError> {
        let mut tx = self.write().await?;
        let gone = sqlx::query(
            "DELETE FROM grants WHERE file_id = $1 AND user_id = $2 AND user_id <> $3
                 AND EXISTS (SELECT 1 FROM files f WHERE f.file_id = $1 AND f.owner = $3)",
        )
        .bind(file_id.as_bytes().as_slice())
        .bind(recipient.as_bytes().as_slice())
        .bind(owner.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
        if gone.rows_affected() == 0 {
            return Ok(RevokeAnswer::Nothing);
        }
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(RevokeAnswer::Revoked)
    }

    async fn replace_grant(&self, replace: ReplaceGrant) -> Result<ReplaceAnswer, DbError> {
        let (file, user) = (replace.file_id.as_bytes().as_slice(), replace.user.as_bytes().as_slice());
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "SELECT g.bytes FROM grants g JOIN files f ON f.file_id = g.file_id
             WHERE g.file_id = $1 AND g.user_id = $2 AND f.state = 1 AND f.expires_at > $3",
        )
        .bind(file)
        .bind(user)
        .bind(replace.now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(ReplaceAnswer::Nothing) };
        let there = row.bytes("bytes")?;
        if there == replace.bytes {
            return Ok(ReplaceAnswer::Replaced);
        }
        if there != replace.replaced {
            return Ok(ReplaceAnswer::Changed);
        }
        sqlx::query("UPDATE grants SET recipient_id = $3, bytes = $4 WHERE file_id = $1 AND user_id = $2")
            .bind(file)
            .bind(user)
            .bind(replace.recipient.as_bytes().as_slice())
            .bind(replace.bytes.as_slice())
            .execute(&mut *tx)
            .await?;
        append(&mut tx, &replace.events).await?;
        tx.commit().await?;
        Ok(ReplaceAnswer::Replaced)
    }

    async fn leave_file(
        &self,
        user: UserId,
        file_id: FileId,
        events: &[NewEvent],
    ) -> Result<LeaveAnswer, DbError> {
        let mut tx = self.write().await?;
        // A grant of an upload that is still open is not known to its recipient yet.
        let gone = sqlx::query(
            "DELETE FROM grants WHERE file_id = $1 AND user_id = $2
                 AND EXISTS (SELECT 1 FROM files f WHERE f.file_id = $1 AND f.owner <> $2 AND f.state <> 0)",
        )
        .bind(file_id.as_bytes().as_slice())
        .bind(user.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
        if gone.rows_affected() == 0 {
            return Ok(LeaveAnswer::Nothing);
        }
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(LeaveAnswer::Left)
    }

    async fn delete_file(
        &self,
        owner: UserId,
        file_id: FileId,
        now: UnixTime,
        events: &[NewEvent],
    ) -> Result<DeleteAnswer, DbError> {
        let mut tx = self.write().await?;
        let living = "SELECT 1 FROM files WHERE file_id = $1 AND owner = $2 AND state = 1 AND is_member = 0";
        let living = sqlx::query(living)
            .bind(file_id.as_bytes().as_slice())
            .bind(owner.as_bytes().as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if living.is_none() {
            return Ok(DeleteAnswer::Nothing);
        }
        close_members(&mut tx, file_id, now).await?;
        end_file(&mut tx, file_id, ENDED, now).await?;
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(DeleteAnswer::Deleted)
    }

    async fn usage(&self, owner: UserId) -> Result<Usage, DbError> {
        let row = sqlx::query(
            "SELECT COALESCE((SELECT charged_bytes FROM accounts WHERE user_id = $1), 0) AS charged_bytes,
                    (SELECT COUNT(*) FROM files WHERE owner = $1 AND state = 1) AS files,
                    (SELECT COUNT(*) FROM files WHERE owner = $1 AND state = 0) AS open_uploads",
        )
        .bind(owner.as_bytes().as_slice())
        .fetch_one(&self.readers)
        .await?;
        Ok(Usage {
            charged_bytes: row.natural("charged_bytes")?,
            files: row.natural("files")?,
            open_uploads: row.natural("open_uploads")?,
        })
    }
}

/// Members end with their folder: nobody pays for them from now on, and the expiry job takes them one by one, so that a folder
/// of thousands does not keep other writers waiting.
async fn close_members(tx: &mut Connection, folder: FileId, now: UnixTime) -> Result<(), DbError> {
    let folder = folder.as_bytes().as_slice();
    sqlx::query(
        "UPDATE accounts SET charged_bytes = charged_bytes - (
             SELECT COALESCE(SUM(f.charged_bytes), 0) FROM members m JOIN files f ON f.file_id = m.member_id
             WHERE m.bundle_id = $1)
         WHERE user_id = (SELECT owner FROM files WHERE file_id = $1)",
    )
    .bind(folder)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "UPDATE files SET charged_bytes = 0, expires_at = CASE WHEN expires_at < $2 THEN expires_at ELSE $2 END
         WHERE file_id IN (SELECT member_id FROM members WHERE bundle_id = $1)",
    )
    .bind(folder)
    .bind(now.0)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Ends an upload or a file: dooms its blobs, frees what its owner is charged for, and leaves the bare row so that
/// the id is never used again. `state` is [`ENDED`] or [`EXPIRED`].
pub(super) async fn end_file(
    tx: &mut Connection,
    file_id: FileId,
    state: u64,
    now: UnixTime,
) -> Result<(), DbError> {
    let file = file_id.as_bytes().as_slice();
    sqlx::query(
        "INSERT INTO doomed_blobs (blob, doomed_at)
         SELECT blob, $2 FROM parts WHERE file_id = $1
         UNION ALL SELECT leaves_blob, $2 FROM files WHERE file_id = $1 AND leaves_blob IS NOT NULL
         ON CONFLICT (blob) DO NOTHING",
    )
    .bind(file)
    .bind(now.0)
    .execute(&mut *tx)
    .await?;
    for forget in [
        "DELETE FROM parts WHERE file_id = $1",
        "DELETE FROM part_leaves WHERE file_id = $1",
        "DELETE FROM members WHERE bundle_id = $1",
        "DELETE FROM members WHERE member_id = $1",
        "DELETE FROM tickets WHERE file_id = $1",
        "DELETE FROM receipts WHERE file_id = $1",
        if state == EXPIRED {
            concat!("UPDATE grants SET listed_at = NULL, bytes = ", empty!(), " WHERE file_id = $1")
        } else {
            "DELETE FROM grants WHERE file_id = $1"
        },
        if state == EXPIRED {
            concat!("UPDATE links SET bytes = ", empty!(), " WHERE file_id = $1")
        } else {
            "DELETE FROM links WHERE file_id = $1"
        },
        if state == EXPIRED {
            concat!("UPDATE key_grants SET bytes = ", empty!(), " WHERE file_id = $1")
        } else {
            "DELETE FROM key_grants WHERE file_id = $1"
        },
        if state == EXPIRED {
            concat!(
                "UPDATE v0_files SET sealed_name = ", empty!(), ", sealed = ", empty!(), " WHERE file_id = $1"
            )
        } else {
            "DELETE FROM v0_files WHERE file_id = $1"
        },
        "UPDATE accounts SET charged_bytes = charged_bytes - (SELECT charged_bytes FROM files WHERE file_id = $1)
         WHERE user_id = (SELECT owner FROM files WHERE file_id = $1)",
    ] {
        sqlx::query(forget).bind(file).execute(&mut *tx).await?;
    }
    sqlx::query(
        "UPDATE files SET state = $2, charged_bytes = 0, declared_len = NULL, max_downloads = NULL, revision = NULL,
             body_len = NULL, body_root = NULL, content_id = NULL, author_root = NULL, manifest_digest = NULL,
             request_digest = NULL, leaves_blob = NULL, manifest = NULL, box_id = NULL, box_owner = NULL, visitor_key = NULL
         WHERE file_id = $1",
    )
    .bind(file)
    .bind(super::rows::bound(state))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn reach<'q>(user: UserId, file_id: FileId) -> Query<'q, Engine, Arguments> {
    sqlx::query(REACH).bind(user.as_bytes().to_vec()).bind(file_id.as_bytes().to_vec())
}

fn reach_by_key<'q>(file_id: FileId, recipient: RecipientId) -> Query<'q, Engine, Arguments> {
    sqlx::query(REACH_BY_KEY).bind(recipient.as_bytes().to_vec()).bind(file_id.as_bytes().to_vec())
}

fn access(row: Option<Row>, user: UserId, now: UnixTime) -> Result<FileAccess, DbError> {
    match row {
        None => Ok(FileAccess::Nothing),
        Some(row) if has_expired(&row, now)? => Ok(FileAccess::Expired),
        Some(row) => Ok(FileAccess::Available(Box::new(view(&row, user)?))),
    }
}

pub(super) fn has_expired(row: &Row, now: UnixTime) -> Result<bool, DbError> {
    Ok(row.natural("state")? == EXPIRED || row.time("expires_at")? <= now)
}

pub(super) fn view(row: &Row, user: UserId) -> Result<FileView, DbError> {
    let author = UserId::from_bytes(row.octets("owner")?);
    let max_downloads = match row.maybe_natural("max_downloads")? {
        None => None,
        Some(most) => Some(u32::try_from(most).map_err(|_| DbError::Damaged("max_downloads"))?),
    };
    Ok(FileView {
        file_id: FileId::from_bytes(row.octets("file_id")?),
        role: if author == user { Role::Author } else { Role::Recipient },
        author,
        author_root: RootId::from_bytes(row.octets("author_root")?),
        content_id: ContentId::from_bytes(row.octets("content_id")?),
        revision: row.natural("revision")?,
        manifest: row.bytes("manifest")?,
        manifest_digest: Digest::from_bytes(row.octets("manifest_digest")?),
        grant: row.maybe_bytes("grant_bytes")?,
        created_at: row.time("finished_at")?,
        listed_at: row.time("listed_at")?,
        expires_at: row.time("expires_at")?,
        max_downloads,
        downloads: row.small("downloads")?,
        part_len: row.natural("part_len")?,
        body_len: row.natural("body_len")?,
        received_bytes: row.natural("received_bytes")?,
        received_parts: row.natural("received_parts")?,
        box_id: box_of(row, user)?,
        given_by: super::sharing::given_by(row)?,
    })
}

/// The box of `user` that a file came into. Nobody else is told: whoever knows a box may send into it.
fn box_of(row: &Row, user: UserId) -> Result<Option<BoxId>, DbError> {
    if row.maybe_bytes("box_owner")?.as_deref() != Some(user.as_bytes().as_slice()) {
        return Ok(None);
    }
    row.maybe_bytes("box_id")?.map(|id| super::uploads::box_id(&id)).transpose()
}
