//! The step by which files appear: of uploads whose parts have come, and of small files that came whole.

use envelope::ids::FileId;
use sqlx::sqlite::SqliteConnection;

use super::files::FILE;
use super::rows::{Columns, at_most, bound, integer};
use super::uploads::{Full, charge, put_grants};
use crate::{AddFilesAnswer, BlobRef, DbError, Finish, FinishAnswer, NewFile};

/// Makes an upload a file. Unless it says [`FinishAnswer::Finished`], nothing is to be committed.
pub(super) async fn finish(tx: &mut SqliteConnection, finish: &Finish) -> Result<FinishAnswer, DbError> {
    at_most(&finish.grants, 1000, "a list of grants")?;
    let body_len = integer(finish.body_len, "the length of a body")?;
    let revision = integer(finish.revision, "a revision")?;
    let file = finish.file_id.as_bytes().as_slice();
    let owner = finish.owner.as_bytes().as_slice();
    let Some(row) = sqlx::query(
        "SELECT state, request_digest, expires_at, stored_bytes, stored_parts, charged_bytes, box_id,
                    (SELECT COALESCE(MAX(n) + 1, 0) FROM parts WHERE file_id = $1) AS last_part
             FROM files WHERE file_id = $1 AND owner = $2 AND state < 2",
    )
    .bind(file)
    .bind(owner)
    .fetch_optional(&mut *tx)
    .await?
    else {
        return Ok(FinishAnswer::Missing);
    };
    if row.natural("state")? == FILE {
        let same = row.octets("request_digest")? == *finish.request_digest.as_bytes();
        return Ok(if same { FinishAnswer::Same } else { FinishAnswer::Conflict });
    }
    if row.time("expires_at")? <= finish.now {
        return Ok(FinishAnswer::Missing);
    }
    let whole = row.natural("stored_bytes")? == finish.body_len
        && row.natural("stored_parts")? == row.natural("last_part")?;
    if !whole {
        return Ok(FinishAnswer::Incomplete);
    }
    if let Some(id) = row.maybe_bytes("box_id")? {
        let id = super::uploads::box_id(&id)?;
        if !super::boxes::arrive(&mut *tx, *id.as_bytes(), body_len, finish.now).await? {
            return Ok(FinishAnswer::BoxClosed);
        }
    }
    for &member in &finish.members {
        if !put_member(&mut *tx, finish, member).await? {
            return Ok(FinishAnswer::BadMember(member));
        }
    }
    put_grants(&mut *tx, finish.file_id, &finish.grants, None).await?;
    sqlx::query("UPDATE grants SET listed_at = $2 WHERE file_id = $1")
        .bind(file)
        .bind(finish.now.0)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM part_leaves WHERE file_id = $1").bind(file).execute(&mut *tx).await?;
    // What was reserved and not used is given back.
    let charged = bound(row.natural("charged_bytes")?);
    sqlx::query("UPDATE accounts SET charged_bytes = charged_bytes + $2 WHERE user_id = $1")
        .bind(owner)
        .bind(body_len - charged)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "UPDATE files SET state = 1, finished_at = $2, expires_at = $3, max_downloads = $4, revision = $5,
                 body_len = $6, charged_bytes = $6, body_root = $7, content_id = $8, author_root = $9,
                 manifest_digest = $10, request_digest = $11, leaves_blob = $12, manifest = $13
             WHERE file_id = $1",
    )
    .bind(file)
    .bind(finish.now.0)
    .bind(finish.expires_at.0)
    .bind(finish.max_downloads.map(i64::from))
    .bind(revision)
    .bind(body_len)
    .bind(finish.body_root.as_bytes().as_slice())
    .bind(finish.content_id.as_bytes().as_slice())
    .bind(finish.author_root.as_bytes().as_slice())
    .bind(finish.manifest_digest.as_bytes().as_slice())
    .bind(finish.request_digest.as_bytes().as_slice())
    .bind(finish.leaves_blob.as_ref().map(BlobRef::as_str))
    .bind(finish.manifest.as_slice())
    .execute(&mut *tx)
    .await?;
    super::audit::append(tx, &finish.events).await?;
    Ok(FinishAnswer::Finished)
}

/// Adds a whole file of one part; the outer error is a refusal of all.
pub(super) async fn add(
    tx: &mut SqliteConnection,
    new: &NewFile,
    quota_bytes: u64,
) -> Result<Result<FinishAnswer, AddFilesAnswer>, DbError> {
    let Finish { file_id, owner, body_len, body_root, now, expires_at, .. } = &new.finish;
    let len = integer(*body_len, "the length of a body")?;
    let there = sqlx::query("SELECT 1 FROM files WHERE file_id = $1")
        .bind(file_id.as_bytes().as_slice())
        .fetch_optional(&mut *tx)
        .await?;
    if there.is_none() {
        if let Err(Full { used, quota }) = charge(&mut *tx, *owner, len, quota_bytes).await? {
            return Ok(Err(AddFilesAnswer::QuotaExceeded { used, quota }));
        }
        sqlx::query(
            "INSERT INTO files (file_id, owner, state, part_len, declared_len, created_at, expires_at, charged_bytes,
                 received_bytes, received_parts, stored_bytes, stored_parts)
             VALUES ($1, $2, 0, $3, $4, $5, $6, $4, $4, 1, $4, 1)",
        )
        .bind(file_id.as_bytes().as_slice())
        .bind(owner.as_bytes().as_slice())
        .bind(integer(new.part_len, "the length of a part")?)
        .bind(len)
        .bind(now.0)
        .bind(expires_at.0)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO parts (file_id, n, len, is_final, node, blob) VALUES ($1, 0, $2, 1, $3, $4)",
        )
        .bind(file_id.as_bytes().as_slice())
        .bind(len)
        .bind(body_root.as_bytes().as_slice())
        .bind(new.blob.as_str())
        .execute(&mut *tx)
        .await?;
    }
    Ok(match finish(tx, &new.finish).await? {
        answer @ FinishAnswer::Finished if there.is_none() => Ok(answer),
        answer @ FinishAnswer::Same => Ok(answer),
        // Somebody's, ended, an open upload, or another file under the same id.
        _ => Err(AddFilesAnswer::Conflict(*file_id)),
    })
}

/// Whether `member` is a living file of the same owner; if so, it is noted.
async fn put_member(tx: &mut SqliteConnection, finish: &Finish, member: FileId) -> Result<bool, DbError> {
    let done = sqlx::query(
        "INSERT INTO members (bundle_id, member_id)
         SELECT $1, file_id FROM files WHERE file_id = $2 AND owner = $3 AND state = 1 AND expires_at > $4
         ON CONFLICT (member_id, bundle_id) DO UPDATE SET bundle_id = excluded.bundle_id",
    )
    .bind(finish.file_id.as_bytes().as_slice())
    .bind(member.as_bytes().as_slice())
    .bind(finish.owner.as_bytes().as_slice())
    .bind(finish.now.0)
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
