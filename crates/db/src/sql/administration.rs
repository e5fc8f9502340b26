//! Suspension, quotas, invitations and the list of what is stored,.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use super::accounts::enroll;
use super::audit::append;
use super::files::OPEN;
use super::rows::{Columns, integer};
use super::{Connection, Driver, Row, engine};
use crate::{
    Administration, DbError, Digest, Enrolled, Invitation, InviteAnswer, Lookup, NewAccount, NewEvent,
    NewInvitation, StoredFile, SuspendAnswer, UnixTime, UploadState,
};

#[async_trait]
impl Administration for Driver {
    async fn suspend(
        &self,
        user: UserId,
        now: UnixTime,
        events: &[NewEvent],
    ) -> Result<SuspendAnswer, DbError> {
        let mut tx = self.write().await?;
        let done =
            sqlx::query("UPDATE accounts SET suspended_at = $2 WHERE user_id = $1 AND suspended_at IS NULL")
                .bind(user.as_bytes().as_slice())
                .bind(now.0)
                .execute(&mut *tx)
                .await?;
        if done.rows_affected() == 0 {
            must_exist(&mut tx, user).await?;
            return Ok(SuspendAnswer::Already);
        }
        let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM half_sign_ins WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(SuspendAnswer::Suspended { sessions: ended.rows_affected() })
    }

    async fn reinstate(&self, user: UserId, events: &[NewEvent]) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE accounts SET suspended_at = NULL WHERE user_id = $1 AND suspended_at IS NOT NULL",
        )
        .bind(user.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            must_exist(&mut tx, user).await?;
            return Ok(false);
        }
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn set_quota(
        &self,
        user: UserId,
        quota_bytes: Option<u64>,
        events: &[NewEvent],
    ) -> Result<bool, DbError> {
        let quota = quota_bytes.map(|bytes| integer(bytes, "a quota")).transpose()?;
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE accounts SET quota_bytes = $2 WHERE user_id = $1 AND quota_bytes IS DISTINCT FROM $2",
        )
        .bind(user.as_bytes().as_slice())
        .bind(quota)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            must_exist(&mut tx, user).await?;
            return Ok(false);
        }
        append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn invite(&self, new: NewInvitation) -> Result<InviteAnswer, DbError> {
        let mut tx = self.write().await?;
        let account = sqlx::query("SELECT 1 FROM accounts WHERE lookup = $1")
            .bind(new.lookup.as_bytes().as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if account.is_some() {
            return Ok(InviteAnswer::HasAccount);
        }
        let there = sqlx::query("SELECT 1 FROM invitations WHERE lookup = $1 AND expires_at > $2")
            .bind(new.lookup.as_bytes().as_slice())
            .bind(new.now.0)
            .fetch_optional(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO invitations (lookup, sealed_address, invited_at, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (lookup) DO UPDATE SET sealed_address = excluded.sealed_address,
                 invited_at = excluded.invited_at, expires_at = excluded.expires_at",
        )
        .bind(new.lookup.as_bytes().as_slice())
        .bind(new.sealed_address)
        .bind(new.now.0)
        .bind(new.expires_at.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(if there.is_some() { InviteAnswer::Renewed } else { InviteAnswer::Invited })
    }

    async fn invitations(
        &self,
        after: Option<Lookup>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<Invitation>, DbError> {
        // No lookup value is less than nothing.
        let after = after.map_or_else(Vec::new, |lookup| lookup.as_bytes().to_vec());
        sqlx::query(
            "SELECT lookup, sealed_address, invited_at, expires_at FROM invitations
             WHERE lookup > $1 AND expires_at > $3 ORDER BY lookup LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit.clamp(1, 500)))
        .bind(now.0)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(invitation)
        .collect()
    }

    async fn withdraw_invitation(&self, lookup: Lookup) -> Result<bool, DbError> {
        let gone = sqlx::query("DELETE FROM invitations WHERE lookup = $1")
            .bind(lookup.as_bytes().as_slice())
            .execute(&self.writer)
            .await?;
        Ok(gone.rows_affected() == 1)
    }

    async fn is_invited(&self, lookup: Lookup, now: UnixTime) -> Result<bool, DbError> {
        let row = sqlx::query("SELECT 1 FROM invitations WHERE lookup = $1 AND expires_at > $2")
            .bind(lookup.as_bytes().as_slice())
            .bind(now.0)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.is_some())
    }

    async fn find_or_create_invited(&self, new: NewAccount) -> Result<Option<Enrolled>, DbError> {
        let mut tx = self.write().await?;
        let may = sqlx::query(
            "SELECT 1 FROM accounts WHERE lookup = $1
             UNION ALL SELECT 1 FROM invitations WHERE lookup = $1 AND expires_at > $2",
        )
        .bind(new.lookup.as_bytes().as_slice())
        .bind(new.now.0)
        .fetch_optional(&mut *tx)
        .await?;
        if may.is_none() {
            return Ok(None);
        }
        let enrolled = enroll(&mut tx, new).await?;
        tx.commit().await?;
        Ok(Some(enrolled))
    }

    async fn stored_files(&self, after: Option<FileId>, limit: u32) -> Result<Vec<StoredFile>, DbError> {
        let after = after.map_or_else(Vec::new, |file| file.as_bytes().to_vec());
        sqlx::query(
            "SELECT file_id, state, body_len, body_root, leaves_blob FROM files
             WHERE file_id > $1 AND state < 2 ORDER BY file_id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit.clamp(1, 500)))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored)
        .collect()
    }

    async fn begin_again(&self) -> Result<u64, DbError> {
        let mut tx = self.write().await?;
        let ended = sqlx::query("DELETE FROM sessions").execute(&mut *tx).await?;
        for forget in [
            "DELETE FROM half_sign_ins",
            "DELETE FROM codes",
            // One that was stopped after the copy was made would be due at once.
            "DELETE FROM key_resets",
            "UPDATE leases SET expires_at = 0",
            "DELETE FROM happenings",
        ] {
            sqlx::query(forget).execute(&mut *tx).await?;
        }
        // The numbers from here on are of another history; see `LiveSpan::holds`.
        for name in ["changes", "happenings"] {
            let last = concat!("SELECT ", last_number!("$1"), " AS last");
            let numbered: i64 = sqlx::query_scalar(last).bind(name).fetch_one(&mut *tx).await?;
            engine::set_last_number(&mut tx, name, ((numbered >> 32) + 1) << 32).await?;
        }
        tx.commit().await?;
        Ok(ended.rows_affected())
    }
}

async fn must_exist(tx: &mut Connection, user: UserId) -> Result<(), DbError> {
    sqlx::query("SELECT 1 FROM accounts WHERE user_id = $1")
        .bind(user.as_bytes().as_slice())
        .fetch_optional(tx)
        .await?
        .map(|_| ())
        .ok_or(DbError::UnknownAccount)
}

fn invitation(row: &Row) -> Result<Invitation, DbError> {
    Ok(Invitation {
        lookup: Lookup::from_bytes(row.octets("lookup")?),
        sealed_address: row.bytes("sealed_address")?,
        invited_at: row.time("invited_at")?,
        expires_at: row.time("expires_at")?,
    })
}

fn stored(row: &Row) -> Result<StoredFile, DbError> {
    let root = row.maybe_bytes("body_root")?.map(<[u8; 32]>::try_from).transpose();
    Ok(StoredFile {
        file_id: FileId::from_bytes(row.octets("file_id")?),
        state: if row.natural("state")? == OPEN { UploadState::Open } else { UploadState::Finished },
        body_len: row.maybe_natural("body_len")?,
        body_root: root.map_err(|_| DbError::Damaged("body_root"))?.map(Digest::from_bytes),
        leaves_blob: row.maybe_blob("leaves_blob")?,
    })
}
