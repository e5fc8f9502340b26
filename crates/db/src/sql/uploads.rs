//! Uploads and their parts.

use async_trait::async_trait;
use envelope::BoxId;
use envelope::ids::{FileId, UserId};

use super::files::{ENDED, FILE, OPEN, end_file};
use super::rows::{Columns, at_most, bound, integer};
use super::{Connection, Driver, Row};
use crate::{
    AbandonAnswer, AddFilesAnswer, AddGrants, AddGrantsAnswer, BeginAnswer, DbError, Digest, Finish,
    FinishAnswer, NewFile, NewGrant, NewPart, NewUpload, Part, PartAnswer, UnixTime, Upload, UploadState,
    Uploads,
};

#[async_trait]
impl Uploads for Driver {
    async fn begin_upload(&self, new: NewUpload) -> Result<BeginAnswer, DbError> {
        let declared = new.body_len.map(|len| integer(len, "the length of a body")).transpose()?;
        let part_len = integer(new.part_len, "the length of a part")?;
        let mut tx = self.write().await?;
        let there = sqlx::query(
            "SELECT file_id, owner, part_len, declared_len, state, created_at, expires_at, received_bytes,
                    received_parts, stored_bytes, box_id, visitor_key
             FROM files WHERE file_id = $1",
        )
        .bind(new.file_id.as_bytes().as_slice())
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = there {
            let Some(there) = upload(&row)? else { return Ok(BeginAnswer::Conflict) };
            let lapsed = there.state == UploadState::Open && there.expires_at <= new.now;
            let visitor = row.maybe_bytes("visitor_key")?;
            let shown = new.into_box.and_then(|into| into.visitor);
            let same = there.owner == new.owner
                && there.part_len == new.part_len
                && there.body_len == new.body_len
                && there.box_id == new.into_box.map(|into| into.id)
                && visitor.as_deref() == shown.as_ref().map(|key| key.as_bytes().as_slice());
            return Ok(if same && !lapsed { BeginAnswer::Same(there) } else { BeginAnswer::Conflict });
        }
        let open = sqlx::query(
            "SELECT COUNT(*) AS open FROM files
             WHERE owner = $1 AND state = 0 AND expires_at > $2 AND visitor_key IS NULL",
        )
        .bind(new.owner.as_bytes().as_slice())
        .bind(new.now.0)
        .fetch_one(&mut *tx)
        .await?
        .small("open")?;
        let is_visitors = new.into_box.is_some_and(|into| into.visitor.is_some());
        // What strangers have under way must not keep the owner of a box from sending.
        if open >= new.max_open && !is_visitors {
            return Ok(BeginAnswer::TooManyOpen { open });
        }
        let box_owner = match &new.into_box {
            None => None,
            Some(into) => match super::boxes::admit(&mut tx, &new, into).await? {
                Ok(owner) => Some(owner),
                Err(refused) => return Ok(refused),
            },
        };
        if let Err(Full { used, quota }) =
            charge(&mut tx, new.owner, declared.unwrap_or(0), new.quota_bytes).await?
        {
            return Ok(BeginAnswer::QuotaExceeded { used, quota });
        }
        sqlx::query(
            "INSERT INTO files (file_id, owner, state, part_len, declared_len, created_at, expires_at, charged_bytes,
                 box_id, box_owner, visitor_key)
             VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(new.file_id.as_bytes().as_slice())
        .bind(new.owner.as_bytes().as_slice())
        .bind(part_len)
        .bind(declared)
        .bind(new.now.0)
        .bind(new.expires_at.0)
        .bind(declared.unwrap_or(0))
        .bind(new.into_box.as_ref().map(|into| into.id.as_bytes().as_slice()))
        .bind(box_owner.as_ref().map(|owner| owner.as_bytes().as_slice()))
        .bind(new.into_box.as_ref().and_then(|into| into.visitor.as_ref()).map(|key| key.as_bytes().as_slice()))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(BeginAnswer::Begun(Upload {
            file_id: new.file_id,
            owner: new.owner,
            part_len: new.part_len,
            body_len: new.body_len,
            state: UploadState::Open,
            created_at: new.now,
            expires_at: new.expires_at,
            received_bytes: 0,
            received_parts: 0,
            stored_bytes: 0,
            box_id: new.into_box.map(|into| into.id),
        }))
    }

    async fn upload(&self, owner: UserId, file_id: FileId, now: UnixTime) -> Result<Option<Upload>, DbError> {
        let row = sqlx::query(
            "SELECT file_id, owner, part_len, declared_len, state, created_at, expires_at, received_bytes,
                    received_parts, stored_bytes, box_id
             FROM files WHERE file_id = $1 AND owner = $2 AND visitor_key IS NULL AND part_len > 0
                 AND (state = 1 OR (state = 0 AND expires_at > $3))",
        )
        .bind(file_id.as_bytes().as_slice())
        .bind(owner.as_bytes().as_slice())
        .bind(now.0)
        .fetch_optional(&self.readers)
        .await?;
        Ok(row.map(|row| upload(&row)).transpose()?.flatten())
    }

    async fn uploads_of(&self, owner: UserId, now: UnixTime) -> Result<Vec<Upload>, DbError> {
        sqlx::query(
            "SELECT file_id, owner, part_len, declared_len, state, created_at, expires_at, received_bytes,
                    received_parts, stored_bytes, box_id
             FROM files WHERE owner = $1 AND state = 0 AND expires_at > $2 AND visitor_key IS NULL
             ORDER BY created_at, file_id",
        )
        .bind(owner.as_bytes().as_slice())
        .bind(now.0)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .filter_map(|row| upload(row).transpose())
        .collect()
    }

    async fn record_part(&self, part: NewPart) -> Result<PartAnswer, DbError> {
        let len = integer(part.len, "the length of a part")?;
        let received = integer(part.received_bytes, "octets received")?;
        let file = part.file_id.as_bytes().as_slice();
        // Beside other writers: all of it is about one row of `files`, which is locked first by whoever adds a part to an
        // upload, finishes it or ends it; the charge is one statement; and no number in an order is taken.
        let mut tx = self.write_beside().await?;
        let Some(row) = sqlx::query(concat!(
            "SELECT stored_bytes, charged_bytes FROM files
             WHERE file_id = $1 AND owner = $2 AND state = 0 AND expires_at > $3",
            locked!()
        ))
        .bind(file)
        .bind(part.owner.as_bytes().as_slice())
        .bind(part.now.0)
        .fetch_optional(&mut *tx)
        .await?
        else {
            return Ok(PartAnswer::Ended);
        };
        let (stored, charged) = (row.natural("stored_bytes")?, row.natural("charged_bytes")?);
        let there = sqlx::query("SELECT len, node, blob FROM parts WHERE file_id = $1 AND n = $2")
            .bind(file)
            .bind(i64::from(part.n))
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = there {
            if row.blob("blob")? == part.blob {
                return Ok(PartAnswer::Won);
            }
            sqlx::query(
                "UPDATE files SET received_bytes = received_bytes + $2, received_parts = received_parts + 1
                 WHERE file_id = $1",
            )
            .bind(file)
            .bind(received)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            let node = Digest::from_bytes(row.octets("node")?);
            return Ok(PartAnswer::AlreadyThere { node, len: row.natural("len")? });
        }
        // What was reserved at begin is charged already; only what goes beyond it is charged now.
        let more = bound(stored.saturating_add(part.len).saturating_sub(charged));
        if let Err(Full { used, quota }) = charge(&mut tx, part.owner, more, part.quota_bytes).await? {
            return Ok(PartAnswer::QuotaExceeded { used, quota });
        }
        sqlx::query(
            "INSERT INTO parts (file_id, n, len, is_final, node, blob) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(file)
        .bind(i64::from(part.n))
        .bind(len)
        .bind(i64::from(part.is_final))
        .bind(part.node.as_bytes().as_slice())
        .bind(part.blob.as_str())
        .execute(&mut *tx)
        .await?;
        sqlx::query("INSERT INTO part_leaves (file_id, n, leaves) VALUES ($1, $2, $3)")
            .bind(file)
            .bind(i64::from(part.n))
            .bind(part.leaves.as_slice())
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "UPDATE files SET received_bytes = received_bytes + $2, received_parts = received_parts + 1,
                 stored_bytes = stored_bytes + $3, stored_parts = stored_parts + 1,
                 charged_bytes = charged_bytes + $4
             WHERE file_id = $1",
        )
        .bind(file)
        .bind(received)
        .bind(len)
        .bind(more)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(PartAnswer::Won)
    }

    async fn parts_of(&self, file_id: FileId) -> Result<Vec<Part>, DbError> {
        sqlx::query(
            "SELECT n, len, node, blob, is_final FROM parts WHERE file_id = $1 ORDER BY n LIMIT 10000",
        )
        .bind(file_id.as_bytes().as_slice())
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(part)
        .collect()
    }

    async fn part(&self, file_id: FileId, n: u32) -> Result<Option<Part>, DbError> {
        sqlx::query("SELECT n, len, node, blob, is_final FROM parts WHERE file_id = $1 AND n = $2")
            .bind(file_id.as_bytes().as_slice())
            .bind(i64::from(n))
            .fetch_optional(&self.readers)
            .await?
            .map(|row| part(&row))
            .transpose()
    }

    async fn leaves_of_part(&self, file_id: FileId, n: u32) -> Result<Option<Vec<u8>>, DbError> {
        sqlx::query("SELECT leaves FROM part_leaves WHERE file_id = $1 AND n = $2")
            .bind(file_id.as_bytes().as_slice())
            .bind(i64::from(n))
            .fetch_optional(&self.readers)
            .await?
            .map(|row| row.bytes("leaves"))
            .transpose()
    }

    async fn add_grants(&self, add: AddGrants) -> Result<AddGrantsAnswer, DbError> {
        at_most(&add.grants, 1000, "a list of grants")?;
        let mut tx = self.write().await?;
        let Some(row) = sqlx::query(
            "SELECT state FROM files WHERE file_id = $1 AND owner = $2 AND state < 2 AND expires_at > $3",
        )
        .bind(add.file_id.as_bytes().as_slice())
        .bind(add.owner.as_bytes().as_slice())
        .bind(add.now.0)
        .fetch_optional(&mut *tx)
        .await?
        else {
            return Ok(AddGrantsAnswer::Nothing);
        };
        let listed_at = (row.natural("state")? == FILE).then_some(add.now);
        put_grants(&mut tx, add.file_id, &add.grants, listed_at).await?;
        tx.commit().await?;
        Ok(AddGrantsAnswer::Added)
    }

    async fn finish_upload(&self, finish: Finish) -> Result<FinishAnswer, DbError> {
        let mut tx = self.write().await?;
        let answer = super::finish::finish(&mut tx, &finish).await?;
        if answer == FinishAnswer::Finished {
            tx.commit().await?;
        }
        Ok(answer)
    }

    async fn add_files(&self, files: Vec<NewFile>, quota_bytes: u64) -> Result<AddFilesAnswer, DbError> {
        at_most(&files, 100, "a batch of files")?;
        let mut tx = self.write().await?;
        let mut answers = Vec::with_capacity(files.len());
        for file in &files {
            match super::finish::add(&mut tx, file, quota_bytes).await? {
                Ok(answer) => answers.push(answer),
                Err(refused) => return Ok(refused),
            }
        }
        tx.commit().await?;
        Ok(AddFilesAnswer::Added(answers))
    }

    async fn abandon_upload(
        &self,
        owner: UserId,
        file_id: FileId,
        now: UnixTime,
    ) -> Result<AbandonAnswer, DbError> {
        let mut tx = self.write().await?;
        let open = concat!("SELECT 1 FROM files WHERE file_id = $1 AND owner = $2 AND state = 0", locked!());
        let open = sqlx::query(open)
            .bind(file_id.as_bytes().as_slice())
            .bind(owner.as_bytes().as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if open.is_none() {
            return Ok(AbandonAnswer::Nothing);
        }
        end_file(&mut tx, file_id, ENDED, now).await?;
        tx.commit().await?;
        Ok(AbandonAnswer::Abandoned)
    }
}

/// There is no room in a person's quota.
pub(super) struct Full {
    /// Octets charged now.
    pub(super) used: u64,
    /// Octets allowed.
    pub(super) quota: u64,
}

/// Charges `more` octets (0 or more) to a person within their own quota, or else within `quota`.
pub(super) async fn charge(
    tx: &mut Connection,
    user: UserId,
    more: i64,
    quota: u64,
) -> Result<Result<(), Full>, DbError> {
    // Nothing more is always within, even for somebody whose quota was lowered since.
    let done = sqlx::query(
        "UPDATE accounts SET charged_bytes = charged_bytes + $2
         WHERE user_id = $1 AND erased_at IS NULL AND ($2 = 0 OR charged_bytes <= COALESCE(quota_bytes, $3) - $2)",
    )
    .bind(user.as_bytes().as_slice())
    .bind(more)
    .bind(bound(quota))
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Ok(()));
    }
    let row = sqlx::query(
        "SELECT charged_bytes, quota_bytes FROM accounts WHERE user_id = $1 AND erased_at IS NULL",
    )
    .bind(user.as_bytes().as_slice())
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(DbError::UnknownAccount)?;
    Ok(Err(Full {
        used: row.natural("charged_bytes")?,
        quota: row.maybe_natural("quota_bytes")?.unwrap_or(quota),
    }))
}

pub(super) async fn put_grants(
    tx: &mut Connection,
    file_id: FileId,
    grants: &[NewGrant],
    listed_at: Option<UnixTime>,
) -> Result<(), DbError> {
    for grant in grants {
        let Some(user) = grant.user else {
            put_key_grant(&mut *tx, file_id, grant).await?;
            continue;
        };
        sqlx::query(
            "INSERT INTO grants (file_id, user_id, listed_at, recipient_id, bytes) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (file_id, user_id) DO UPDATE SET
                 recipient_id = excluded.recipient_id, bytes = excluded.bytes,
                 listed_at = COALESCE(grants.listed_at, excluded.listed_at)",
        )
        .bind(file_id.as_bytes().as_slice())
        .bind(user.as_bytes().as_slice())
        .bind(listed_at.map(|time| time.0))
        .bind(grant.recipient.as_bytes().as_slice())
        .bind(grant.bytes.as_slice())
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

async fn put_key_grant(tx: &mut Connection, file_id: FileId, grant: &NewGrant) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO key_grants (file_id, recipient_id, bytes) VALUES ($1, $2, $3)
         ON CONFLICT (file_id, recipient_id) DO UPDATE SET bytes = excluded.bytes",
    )
    .bind(file_id.as_bytes().as_slice())
    .bind(grant.recipient.as_bytes().as_slice())
    .bind(grant.bytes.as_slice())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The upload of a row; `None` if it has ended.
pub(super) fn upload(row: &Row) -> Result<Option<Upload>, DbError> {
    let state = match row.natural("state")? {
        OPEN => UploadState::Open,
        FILE => UploadState::Finished,
        _ => return Ok(None),
    };
    Ok(Some(Upload {
        file_id: FileId::from_bytes(row.octets("file_id")?),
        owner: UserId::from_bytes(row.octets("owner")?),
        part_len: row.natural("part_len")?,
        body_len: row.maybe_natural("declared_len")?,
        state,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        received_bytes: row.natural("received_bytes")?,
        received_parts: row.natural("received_parts")?,
        stored_bytes: row.natural("stored_bytes")?,
        box_id: row.maybe_bytes("box_id")?.map(|id| box_id(&id)).transpose()?,
    }))
}

pub(super) fn box_id(bytes: &[u8]) -> Result<BoxId, DbError> {
    bytes.try_into().map(BoxId::from_bytes).map_err(|_| DbError::Damaged("box_id"))
}

fn part(row: &Row) -> Result<Part, DbError> {
    Ok(Part {
        n: row.small("n")?,
        len: row.natural("len")?,
        node: Digest::from_bytes(row.octets("node")?),
        blob: row.blob("blob")?,
        is_final: row.flag("is_final")?,
    })
}
