//! The step by which files appear: of uploads whose parts have come, and of small files that came whole.

use sqlx::QueryBuilder;

use super::Connection;
use super::files::FILE;
use super::rows::{Columns, at_most, bound, integer};
use super::uploads::{Full, charge, put_grants};
use crate::{AddFilesAnswer, BlobRef, DbError, Finish, FinishAnswer, NewFile};

/// Members that one statement takes in.
const MEMBERS_AT_ONCE: usize = 500;

/// Makes an upload a file. Unless it says [`FinishAnswer::Finished`], nothing is to be committed.
pub(super) async fn finish(tx: &mut Connection, finish: &Finish) -> Result<FinishAnswer, DbError> {
    at_most(&finish.grants, 1000, "a list of grants")?;
    at_most(&finish.members, 50_000, "a list of members")?;
    let body_len = integer(finish.body_len, "the length of a body")?;
    let revision = integer(finish.revision, "a revision")?;
    let file = finish.file_id.as_bytes().as_slice();
    let owner = finish.owner.as_bytes().as_slice();
    // Locked in a statement of its own: what is read next is as the last part left it.
    sqlx::query(concat!("SELECT 1 FROM files WHERE file_id = $1", locked!()))
        .bind(file)
        .fetch_optional(&mut *tx)
        .await?;
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
    if !put_members(&mut *tx, finish).await? {
        return Ok(FinishAnswer::BadMember);
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
                 manifest_digest = $10, request_digest = $11, leaves_blob = $12, manifest = $13, is_member = $14
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
    .bind(i64::from(finish.is_member))
    .execute(&mut *tx)
    .await?;
    super::audit::append(tx, &finish.events).await?;
    Ok(FinishAnswer::Finished)
}

/// Adds a whole file of one part; the outer error is a refusal of all.
pub(super) async fn add(
    tx: &mut Connection,
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

/// Takes all members in, and has them end with their folder; `false` if one of them is none.
async fn put_members(tx: &mut Connection, finish: &Finish) -> Result<bool, DbError> {
    let folder = finish.file_id.as_bytes().as_slice();
    for some in finish.members.chunks(MEMBERS_AT_ONCE) {
        let mut query = QueryBuilder::new("INSERT INTO members (bundle_id, member_id) SELECT ");
        query.push_bind(folder.to_vec()).push(", f.file_id FROM files f WHERE f.file_id IN (");
        let mut list = query.separated(", ");
        for member in some {
            list.push_bind(member.as_bytes().to_vec());
        }
        query.push(") AND f.state = 1 AND f.is_member = 1 AND f.owner = ");
        query.push_bind(finish.owner.as_bytes().to_vec()).push(" AND f.author_root = ");
        query.push_bind(finish.author_root.as_bytes().to_vec()).push(" AND f.expires_at > ");
        query.push_bind(finish.now.0);
        query.push(" AND NOT EXISTS (SELECT 1 FROM members m WHERE m.member_id = f.file_id)");
        let taken = query.build().persistent(false).execute(&mut *tx).await?.rows_affected();
        if taken != some.len() as u64 {
            return Ok(false);
        }
    }
    if !finish.members.is_empty() {
        sqlx::query(
            "UPDATE files SET expires_at = $2 WHERE file_id IN (SELECT member_id FROM members WHERE bundle_id = $1)",
        )
        .bind(folder)
        .bind(finish.expires_at.0)
        .execute(&mut *tx)
        .await?;
    }
    Ok(true)
}
