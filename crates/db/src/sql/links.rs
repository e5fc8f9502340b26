//! Links.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};
use envelope::link::LinkId;

use super::audit::append;
use super::files::{has_expired, view};
use super::rows::Columns;
use super::{Connection, Driver, Row};
use crate::links::{GUESS_MEMORY, pause_after};
use crate::{
    DbError, Digest, FileView, LinkKey, LinkView, Links, MakeLinkAnswer, NewEvent, NewLimits, NewLink,
    OpenLink, OpenLinkAnswer, Role, StoredLink, UnixTime,
};

/// A link together with the file it is to, living or expired. A suspended owner's links rest.
const BEHIND: &str =
    "SELECT f.state, f.file_id, f.owner, f.part_len, f.finished_at, f.expires_at, f.received_bytes,
        f.received_parts, f.downloads, f.max_downloads, f.revision, f.body_len, f.content_id, f.author_root,
        f.manifest_digest, f.manifest, f.box_id, f.box_owner, l.bytes AS grant_bytes, NULL AS given_by,
        f.finished_at AS listed_at, f.ticket_round, l.public_key,
        l.expires_at AS link_ends, l.downloads AS link_downloads, l.max_downloads AS link_max
    FROM links l JOIN files f ON f.file_id = l.file_id JOIN accounts a ON a.user_id = f.owner
    WHERE l.link_id = $1 AND f.state IN (1, 3) AND a.suspended_at IS NULL";

#[async_trait]
impl Links for Driver {
    async fn make_link(&self, new: NewLink) -> Result<MakeLinkAnswer, DbError> {
        let (link, file) = (new.link.as_bytes().as_slice(), new.file_id.as_bytes().as_slice());
        let owner = new.owner.as_bytes().as_slice();
        let mut tx = self.write().await?;
        let counted = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM links WHERE file_id = $1) AS of_file,
                    (SELECT COUNT(*) FROM links l JOIN files o ON o.file_id = l.file_id
                         WHERE o.owner = $2 AND o.state = 1 AND o.expires_at > $3) AS of_owner
             FROM files WHERE file_id = $1 AND owner = $2 AND state = 1 AND is_member = 0 AND expires_at > $3",
        )
        .bind(file)
        .bind(owner)
        .bind(new.now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(counted) = counted else { return Ok(MakeLinkAnswer::Nothing) };
        let there = sqlx::query("SELECT file_id, public_key, bytes FROM links WHERE link_id = $1")
            .bind(link)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(there) = there {
            let same = there.octets::<16>("file_id")? == *new.file_id.as_bytes()
                && there.octets::<32>("public_key")? == *new.public_key.as_bytes()
                && there.bytes("bytes")? == new.grant;
            if !same {
                return Ok(MakeLinkAnswer::Conflict);
            }
        } else {
            if counted.small("of_file")? >= new.max_of_file || counted.small("of_owner")? >= new.max_of_owner
            {
                return Ok(MakeLinkAnswer::TooMany);
            }
            sqlx::query(
                "INSERT INTO links (link_id, file_id, public_key, bytes, created_at, expires_at, max_downloads)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(link)
            .bind(file)
            .bind(new.public_key.as_bytes().as_slice())
            .bind(new.grant.as_slice())
            .bind(new.now.0)
            .bind(new.expires_at.map(|at| at.0))
            .bind(new.max_downloads.map(i64::from))
            .execute(&mut *tx)
            .await?;
            append(&mut tx, &new.events).await?;
        }
        let made = of_owner(&mut tx, new.owner, new.link, new.now).await?;
        tx.commit().await?;
        made.map(MakeLinkAnswer::Made).ok_or(DbError::Damaged("a link that was just made"))
    }

    async fn links_of(&self, owner: UserId, now: UnixTime, limit: u32) -> Result<Vec<StoredLink>, DbError> {
        sqlx::query(
            "SELECT l.link_id, l.file_id, l.created_at, l.expires_at, l.downloads, l.max_downloads,
                    f.expires_at AS file_expires_at
             FROM files f JOIN links l ON l.file_id = f.file_id
             WHERE f.owner = $1 AND f.state = 1 AND f.expires_at > $2
             ORDER BY l.created_at DESC, l.link_id LIMIT $3",
        )
        .bind(owner.as_bytes().as_slice())
        .bind(now.0)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored)
        .collect()
    }

    async fn change_link(&self, change: NewLimits) -> Result<Option<StoredLink>, DbError> {
        let mut tx = self.write().await?;
        if of_owner(&mut tx, change.owner, change.link, change.now).await?.is_none() {
            return Ok(None);
        }
        sqlx::query("UPDATE links SET expires_at = $2, max_downloads = $3 WHERE link_id = $1")
            .bind(change.link.as_bytes().as_slice())
            .bind(change.expires_at.map(|at| at.0))
            .bind(change.max_downloads.map(i64::from))
            .execute(&mut *tx)
            .await?;
        let changed = of_owner(&mut tx, change.owner, change.link, change.now).await?;
        let file_id = changed.as_ref().map(|link| link.file_id);
        let events: Vec<NewEvent> =
            change.events.into_iter().map(|event| NewEvent { file_id, ..event }).collect();
        append(&mut tx, &events).await?;
        tx.commit().await?;
        Ok(changed)
    }

    async fn revoke_link(&self, owner: UserId, link: LinkId, events: &[NewEvent]) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let gone = sqlx::query(
            "DELETE FROM links WHERE link_id = $1
                 AND EXISTS (SELECT 1 FROM files f WHERE f.file_id = links.file_id AND f.owner = $2)
             RETURNING file_id",
        )
        .bind(link.as_bytes().as_slice())
        .bind(owner.as_bytes().as_slice())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(gone) = gone else { return Ok(false) };
        let file_id = Some(FileId::from_bytes(gone.octets("file_id")?));
        let events: Vec<NewEvent> =
            events.iter().map(|event| NewEvent { file_id, ..event.clone() }).collect();
        append(&mut tx, &events).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn link_key(&self, link: LinkId) -> Result<Option<LinkKey>, DbError> {
        let row = sqlx::query(BEHIND).bind(link.as_bytes().as_slice()).fetch_optional(&self.readers).await?;
        row.map(|row| {
            Ok(LinkKey {
                public_key: Digest::from_bytes(row.octets("public_key")?),
                owner: UserId::from_bytes(row.octets("owner")?),
            })
        })
        .transpose()
    }

    async fn open_link(&self, open: OpenLink) -> Result<OpenLinkAnswer, DbError> {
        let mut tx = self.write().await?;
        let failures = match guesses(&mut tx, &open).await? {
            Err(retry_after_secs) => return Ok(OpenLinkAnswer::TooSoon { retry_after_secs }),
            Ok(failures) => failures,
        };
        let fresh = sqlx::query(
            "INSERT INTO link_nonces (nonce, ends_at) VALUES ($1, $2) ON CONFLICT (nonce) DO NOTHING",
        )
        .bind(open.nonce.as_slice())
        .bind(open.nonce_ends_at.0)
        .execute(&mut *tx)
        .await?;
        if fresh.rows_affected() == 0 {
            return Ok(OpenLinkAnswer::Refused);
        }
        let row = sqlx::query(BEHIND).bind(open.link.as_bytes().as_slice()).fetch_optional(&mut *tx).await?;
        let key = row.as_ref().map(|row| row.octets::<32>("public_key")).transpose()?;
        let answer = match (row, open.proved) {
            // Revoked and made anew since the proof was checked counts as wrong, as everything that is not this key.
            (Some(row), Some(proved)) if key.as_ref() == Some(proved.as_bytes()) => {
                opened(&mut tx, &open, &row).await?
            }
            _ => {
                failed(&mut tx, &open, failures).await?;
                OpenLinkAnswer::Refused
            }
        };
        // Who is told that nothing is left was given nothing: there is nothing to keep, their nonce included, so that a
        // crowd at a link that is used up does not wait for the disk.
        if !matches!(answer, OpenLinkAnswer::Expired | OpenLinkAnswer::LimitReached) {
            tx.commit().await?;
        }
        Ok(answer)
    }
}

/// How many wrong tries there were, or the seconds until the next one.
async fn guesses(tx: &mut Connection, open: &OpenLink) -> Result<Result<u32, u32>, DbError> {
    // What ends later than it could was counted by a clock that was ahead.
    let row = sqlx::query(
        "SELECT failures, next_at FROM link_guesses WHERE bucket = $1 AND ends_at > $2 AND ends_at <= $3",
    )
    .bind(open.bucket.as_slice())
    .bind(open.now.0)
    .bind(open.now.plus(GUESS_MEMORY + 300).0)
    .fetch_optional(tx)
    .await?;
    let Some(row) = row else { return Ok(Ok(0)) };
    match open.now.seconds_until(row.time("next_at")?) {
        0 => Ok(Ok(row.small("failures")?)),
        wait => Ok(Err(wait)),
    }
}

/// Notes a wrong try.
async fn failed(tx: &mut Connection, open: &OpenLink, before: u32) -> Result<(), DbError> {
    let failures = before.saturating_add(1);
    sqlx::query(
        "INSERT INTO link_guesses (bucket, failures, next_at, ends_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (bucket) DO UPDATE SET
             failures = excluded.failures, next_at = excluded.next_at, ends_at = excluded.ends_at",
    )
    .bind(open.bucket.as_slice())
    .bind(i64::from(failures))
    .bind(open.now.plus(pause_after(failures)).0)
    .bind(open.now.plus(GUESS_MEMORY).0)
    .execute(tx)
    .await?;
    Ok(())
}

/// What a right proof gives.
async fn opened(tx: &mut Connection, open: &OpenLink, row: &Row) -> Result<OpenLinkAnswer, DbError> {
    let link_ends = row.maybe_natural("link_ends")?.map(|at| UnixTime(i64::try_from(at).unwrap_or(i64::MAX)));
    if has_expired(row, open.now)? || link_ends.is_some_and(|at| at <= open.now) {
        return Ok(OpenLinkAnswer::Expired);
    }
    let link = open.link.as_bytes().as_slice();
    let renewed =
        sqlx::query("SELECT 1 FROM link_downloads WHERE link_id = $1 AND download_id = $2 AND first_at > $3")
            .bind(link)
            .bind(open.download_id.as_bytes().as_slice())
            .bind(open.now.plus(-i64::from(open.window_secs)).0)
            .fetch_optional(&mut *tx)
            .await?
            .is_some();
    let file = view(row, UserId::from_bytes(row.octets("owner")?))?;
    let mut view = LinkView {
        downloads: row.small("link_downloads")?,
        max_downloads: limit(row, "link_max")?,
        ends_at: link_ends.map_or(file.expires_at, |at| at.min(file.expires_at)),
        ticket_round: row.small("ticket_round")?,
        file: FileView { role: Role::Recipient, box_id: None, ..file },
    };
    let used = |count: u32, max: Option<u32>| max.is_some_and(|max| count >= max);
    if !renewed {
        if used(view.downloads, view.max_downloads) || used(view.file.downloads, view.file.max_downloads) {
            return Ok(OpenLinkAnswer::LimitReached);
        }
        if !open.look {
            count(tx, open, &view).await?;
            view.downloads = view.downloads.saturating_add(1);
        }
    }
    Ok(OpenLinkAnswer::Open(Box::new(view)))
}

/// Counts a download; the transaction writes from its first moment on, so that nobody counts meanwhile.
async fn count(tx: &mut Connection, open: &OpenLink, view: &LinkView) -> Result<(), DbError> {
    let link = open.link.as_bytes().as_slice();
    sqlx::query("UPDATE links SET downloads = downloads + 1 WHERE link_id = $1")
        .bind(link)
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE files SET downloads = downloads + 1 WHERE file_id = $1")
        .bind(view.file.file_id.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO link_downloads (link_id, download_id, first_at) VALUES ($1, $2, $3)
         ON CONFLICT (link_id, download_id) DO UPDATE SET first_at = excluded.first_at",
    )
    .bind(link)
    .bind(open.download_id.as_bytes().as_slice())
    .bind(open.now.0)
    .execute(&mut *tx)
    .await?;
    let about = |event: &NewEvent| NewEvent {
        owner: Some(view.file.author),
        file_id: Some(view.file.file_id),
        ..event.clone()
    };
    append(tx, &open.events.iter().map(about).collect::<Vec<_>>()).await
}

/// A link to a living file of `owner`.
async fn of_owner(
    tx: &mut Connection,
    owner: UserId,
    link: LinkId,
    now: UnixTime,
) -> Result<Option<StoredLink>, DbError> {
    let row = sqlx::query(
        "SELECT l.link_id, l.file_id, l.created_at, l.expires_at, l.downloads, l.max_downloads,
                f.expires_at AS file_expires_at
         FROM links l JOIN files f ON f.file_id = l.file_id
         WHERE l.link_id = $1 AND f.owner = $2 AND f.state = 1 AND f.expires_at > $3",
    )
    .bind(link.as_bytes().as_slice())
    .bind(owner.as_bytes().as_slice())
    .bind(now.0)
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

fn stored(row: &Row) -> Result<StoredLink, DbError> {
    let expires_at = match row.maybe_natural("expires_at")? {
        None => None,
        Some(_) => Some(row.time("expires_at")?),
    };
    Ok(StoredLink {
        link: LinkId::from_bytes(row.octets("link_id")?),
        file_id: FileId::from_bytes(row.octets("file_id")?),
        created_at: row.time("created_at")?,
        expires_at,
        file_expires_at: row.time("file_expires_at")?,
        downloads: row.small("downloads")?,
        max_downloads: limit(row, "max_downloads")?,
    })
}

fn limit(row: &Row, column: &'static str) -> Result<Option<u32>, DbError> {
    let most = row.maybe_natural(column)?;
    most.map(|most| u32::try_from(most).map_err(|_| DbError::Damaged(column))).transpose()
}
