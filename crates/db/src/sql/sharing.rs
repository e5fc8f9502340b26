//! What is done to a file after it was sent.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use super::audit::append;
use super::rows::{Columns, at_most};
use super::{Connection, Driver, Row};
use crate::{
    AddHolders, AddHoldersAnswer, DbError, Holder, NewEvent, NewGrant, NewManifest, NewTerms, RenameAnswer,
    Sharing, Stopped, UnixTime,
};

#[async_trait]
impl Sharing for Driver {
    async fn add_holders(&self, add: AddHolders) -> Result<AddHoldersAnswer, DbError> {
        at_most(&add.grants, 500, "a list of grants")?;
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "SELECT f.owner,
                    (SELECT COUNT(*) FROM grants WHERE file_id = $1)
                        + (SELECT COUNT(*) FROM key_grants WHERE file_id = $1) AS holders
             FROM files f JOIN grants g ON g.file_id = f.file_id AND g.user_id = $2
             WHERE f.file_id = $1 AND f.state = 1 AND f.is_member = 0 AND f.expires_at > $3",
        )
        .bind(add.file_id.as_bytes().as_slice())
        .bind(add.giver.as_bytes().as_slice())
        .bind(add.now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(AddHoldersAnswer::Nothing) };
        let is_owner = row.octets::<16>("owner")? == *add.giver.as_bytes();
        if !is_owner && add.grants.iter().any(|(grant, _)| grant.user.is_none()) {
            return Ok(AddHoldersAnswer::Nothing);
        }
        let mut holders = row.small("holders")?;
        let (mut already, mut already_keys, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for (grant, event) in add.grants {
            let put = match grant.user {
                Some(user) => {
                    put_person(&mut tx, add.file_id, user, &grant, is_owner, add.giver, add.now).await?
                }
                None => put_key(&mut tx, add.file_id, &grant).await?,
            };
            match (put, grant.user) {
                (Put::New, _) => {
                    holders = holders.saturating_add(1);
                    events.push(event);
                }
                (Put::Replaced, _) => events.push(event),
                (Put::Same, _) => {}
                (Put::Kept, Some(user)) => already.push(user),
                (Put::Kept, None) => already_keys.push(grant.recipient),
            }
        }
        if holders > add.max_holders {
            return Ok(AddHoldersAnswer::TooMany);
        }
        append(&mut tx, &events).await?;
        tx.commit().await?;
        Ok(AddHoldersAnswer::Added { already, already_keys })
    }

    async fn holders_of(&self, file_id: FileId) -> Result<Vec<Holder>, DbError> {
        sqlx::query(
            "SELECT g.user_id, g.given_by, COALESCE(g.listed_at, f.finished_at, f.created_at) AS since,
                    g.downloads, g.fetched_at
             FROM grants g JOIN files f ON f.file_id = g.file_id
             WHERE g.file_id = $1 ORDER BY g.user_id LIMIT 1000",
        )
        .bind(file_id.as_bytes().as_slice())
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(|row| {
            Ok(Holder {
                user: UserId::from_bytes(row.octets("user_id")?),
                given_by: given_by(row)?,
                since: row.time("since")?,
                downloads: row.small("downloads")?,
                fetched_at: match row.maybe_natural("fetched_at")? {
                    None => None,
                    Some(_) => Some(row.time("fetched_at")?),
                },
            })
        })
        .collect()
    }

    async fn stop_sharing(
        &self,
        owner: UserId,
        file_id: FileId,
        now: UnixTime,
        events: &[NewEvent],
    ) -> Result<Option<Stopped>, DbError> {
        let mut tx = self.write().await?;
        let file = file_id.as_bytes().as_slice();
        let begun = sqlx::query(
            "UPDATE files SET ticket_round = ticket_round + 1
             WHERE file_id = $1 AND owner = $2 AND state = 1 AND is_member = 0 AND expires_at > $3",
        )
        .bind(file)
        .bind(owner.as_bytes().as_slice())
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        if begun.rows_affected() == 0 {
            return Ok(None);
        }
        let people = sqlx::query("DELETE FROM grants WHERE file_id = $1 AND user_id <> $2")
            .bind(file)
            .bind(owner.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        let keys =
            sqlx::query("DELETE FROM key_grants WHERE file_id = $1").bind(file).execute(&mut *tx).await?;
        let links = sqlx::query("DELETE FROM links WHERE file_id = $1").bind(file).execute(&mut *tx).await?;
        let count = |gone: u64| u32::try_from(gone).unwrap_or(u32::MAX);
        let stopped = Stopped {
            people: count(people.rows_affected()),
            keys: count(keys.rows_affected()),
            links: count(links.rows_affected()),
        };
        if stopped != Stopped::default() {
            append(&mut tx, events).await?;
        }
        tx.commit().await?;
        Ok(Some(stopped))
    }

    async fn rename_file(&self, rename: NewManifest) -> Result<RenameAnswer, DbError> {
        let mut tx = self.write().await?;
        let (file, owner) = (rename.file_id.as_bytes().as_slice(), rename.owner.as_bytes().as_slice());
        let row = sqlx::query(
            "SELECT revision, manifest_digest, content_id FROM files
             WHERE file_id = $1 AND owner = $2 AND state = 1 AND is_member = 0 AND expires_at > $3",
        )
        .bind(file)
        .bind(owner)
        .bind(rename.now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(RenameAnswer::Nothing) };
        if row.octets::<32>("manifest_digest")? == *rename.digest.as_bytes() {
            return Ok(RenameAnswer::Renamed);
        }
        let follows = row.natural("revision")?.checked_add(1) == Some(rename.revision)
            && row.octets::<32>("content_id")? == *rename.content_id.as_bytes();
        if !follows {
            return Ok(RenameAnswer::Changed);
        }
        sqlx::query("UPDATE files SET manifest = $2, manifest_digest = $3, revision = $4 WHERE file_id = $1")
            .bind(file)
            .bind(rename.manifest.as_slice())
            .bind(rename.digest.as_bytes().as_slice())
            .bind(super::rows::bound(rename.revision))
            .execute(&mut *tx)
            .await?;
        append(&mut tx, &rename.events).await?;
        tx.commit().await?;
        Ok(RenameAnswer::Renamed)
    }

    async fn change_file(&self, change: NewTerms) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let (file, owner) = (change.file_id.as_bytes().as_slice(), change.owner.as_bytes().as_slice());
        let row = sqlx::query(
            "SELECT expires_at, max_downloads FROM files
             WHERE file_id = $1 AND owner = $2 AND state = 1 AND is_member = 0 AND expires_at > $3",
        )
        .bind(file)
        .bind(owner)
        .bind(change.now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let same = row.time("expires_at")? == change.expires_at
            && row.maybe_natural("max_downloads")? == change.max_downloads.map(u64::from);
        if same {
            return Ok(true);
        }
        sqlx::query("UPDATE files SET expires_at = $2, max_downloads = $3 WHERE file_id = $1")
            .bind(file)
            .bind(change.expires_at.0)
            .bind(change.max_downloads.map(i64::from))
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "UPDATE files SET expires_at = $2
             WHERE state = 1 AND file_id IN (SELECT member_id FROM members WHERE bundle_id = $1)",
        )
        .bind(file)
        .bind(change.expires_at.0)
        .execute(&mut *tx)
        .await?;
        append(&mut tx, &change.events).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What became of one grant.
enum Put {
    New,
    Replaced,
    /// Exactly it is there.
    Same,
    /// Another is there, and stays.
    Kept,
}

async fn put_person(
    tx: &mut Connection,
    file_id: FileId,
    user: UserId,
    grant: &NewGrant,
    by_owner: bool,
    giver: UserId,
    now: UnixTime,
) -> Result<Put, DbError> {
    let (file, person) = (file_id.as_bytes().as_slice(), user.as_bytes().as_slice());
    let there =
        sqlx::query("SELECT recipient_id, bytes, given_by FROM grants WHERE file_id = $1 AND user_id = $2")
            .bind(file)
            .bind(person)
            .fetch_optional(&mut *tx)
            .await?;
    let put = match there {
        None => Put::New,
        Some(row) if row.bytes("bytes")? == grant.bytes => return Ok(Put::Same),
        Some(row) => {
            let is_theirs = row.octets::<32>("recipient_id")? == *grant.recipient.as_bytes();
            if !by_owner || user == giver || (is_theirs && given_by(&row)?.is_none()) {
                return Ok(Put::Kept);
            }
            Put::Replaced
        }
    };
    sqlx::query(
        "INSERT INTO grants (file_id, user_id, listed_at, recipient_id, bytes, given_by)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (file_id, user_id) DO UPDATE SET
             recipient_id = excluded.recipient_id, bytes = excluded.bytes, given_by = excluded.given_by",
    )
    .bind(file)
    .bind(person)
    .bind(now.0)
    .bind(grant.recipient.as_bytes().as_slice())
    .bind(grant.bytes.as_slice())
    .bind((!by_owner).then(|| giver.as_bytes().as_slice().to_vec()))
    .execute(tx)
    .await?;
    Ok(put)
}

async fn put_key(tx: &mut Connection, file_id: FileId, grant: &NewGrant) -> Result<Put, DbError> {
    let added = sqlx::query(
        "INSERT INTO key_grants (file_id, recipient_id, bytes) VALUES ($1, $2, $3)
         ON CONFLICT (file_id, recipient_id) DO NOTHING",
    )
    .bind(file_id.as_bytes().as_slice())
    .bind(grant.recipient.as_bytes().as_slice())
    .bind(grant.bytes.as_slice())
    .execute(&mut *tx)
    .await?;
    if added.rows_affected() > 0 {
        return Ok(Put::New);
    }
    let there = sqlx::query("SELECT bytes FROM key_grants WHERE file_id = $1 AND recipient_id = $2")
        .bind(file_id.as_bytes().as_slice())
        .bind(grant.recipient.as_bytes().as_slice())
        .fetch_one(tx)
        .await?;
    Ok(if there.bytes("bytes")? == grant.bytes { Put::Same } else { Put::Kept })
}

/// Who passed a file on to the person of a grant.
pub(super) fn given_by(row: &Row) -> Result<Option<UserId>, DbError> {
    let Some(by) = row.maybe_bytes("given_by")? else { return Ok(None) };
    let by: [u8; 16] = by.as_slice().try_into().map_err(|_| DbError::Damaged("given_by"))?;
    Ok(Some(UserId::from_bytes(by)))
}
