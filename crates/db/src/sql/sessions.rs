//! Sessions and refresh tokens.

use async_trait::async_trait;
use envelope::ids::UserId;
use sqlx::Row as _;

use super::rows::Columns;
use super::{Connection, Driver, Row};
use crate::{
    DbError, NewSession, RefreshHash, RotateRefresh, Rotation, Session, SessionId, Sessions, UnixTime,
};

#[async_trait]
impl Sessions for Driver {
    async fn open_session(&self, new: NewSession) -> Result<(), DbError> {
        let mut tx = self.write().await?;
        let opened = sqlx::query(
            "INSERT INTO sessions (sid, user_id, created_at, last_used_at, expires_at, client, strong)
             SELECT $1, $2, $3, $3, $4, $5, $6
             WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE user_id = $2 AND COALESCE(suspended_at, erased_at) IS NOT NULL)",
        )
        .bind(new.sid.as_bytes().as_slice())
        .bind(new.user.as_bytes().as_slice())
        .bind(new.now.0)
        .bind(new.expires_at.0)
        .bind(new.client)
        .bind(i64::from(new.strong))
        .execute(&mut *tx)
        .await?;
        if opened.rows_affected() == 0 {
            return Err(DbError::Suspended);
        }
        sqlx::query("INSERT INTO refresh_tokens (hash, sid, expires_at) VALUES ($1, $2, $3)")
            .bind(new.refresh.as_bytes().as_slice())
            .bind(new.sid.as_bytes().as_slice())
            .bind(new.expires_at.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn rotate_refresh(&self, rotate: RotateRefresh) -> Result<Rotation, DbError> {
        let mut tx = self.write().await?;
        let Some(token) = sqlx::query(
            "SELECT t.used_at, s.sid, s.user_id
             FROM refresh_tokens t JOIN sessions s ON s.sid = t.sid JOIN accounts a ON a.user_id = s.user_id
             WHERE t.hash = $1 AND t.expires_at > $2 AND s.expires_at > $2 AND COALESCE(a.suspended_at, a.erased_at) IS NULL",
        )
        .bind(rotate.old.as_bytes().as_slice())
        .bind(rotate.now.0)
        .fetch_optional(&mut *tx)
        .await?
        else {
            return Ok(Rotation::Unknown);
        };
        let sid = SessionId::from_bytes(token.octets("sid")?);
        let user = UserId::from_bytes(token.octets("user_id")?);
        // Two who show the same token are told apart here, whatever the engine isolates.
        let used =
            sqlx::query("UPDATE refresh_tokens SET used = 1, used_at = $2 WHERE hash = $1 AND used = 0")
                .bind(rotate.old.as_bytes().as_slice())
                .bind(rotate.now.0)
                .execute(&mut *tx)
                .await?;
        let answer = if used.rows_affected() == 1 {
            sqlx::query("INSERT INTO refresh_tokens (hash, sid, expires_at) VALUES ($1, $2, $3)")
                .bind(rotate.new.as_bytes().as_slice())
                .bind(sid.as_bytes().as_slice())
                .bind(rotate.expires_at.0)
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE sessions SET expires_at = $2, last_used_at = $3 WHERE sid = $1")
                .bind(sid.as_bytes().as_slice())
                .bind(rotate.expires_at.0)
                .bind(rotate.now.0)
                .execute(&mut *tx)
                .await?;
            Rotation::Rotated { user, sid }
        } else if is_repeated(&mut tx, &rotate, sid, token.maybe_natural("used_at")?).await? {
            Rotation::Rotated { user, sid }
        } else {
            sqlx::query("DELETE FROM sessions WHERE sid = $1")
                .bind(sid.as_bytes().as_slice())
                .execute(&mut *tx)
                .await?;
            Rotation::Reused { user, sid }
        };
        tx.commit().await?;
        Ok(answer)
    }

    async fn session(&self, sid: SessionId, now: UnixTime) -> Result<Option<Session>, DbError> {
        sqlx::query(
            // A server of before suspensions may have opened one.
            "SELECT s.sid, s.user_id, s.created_at, s.last_used_at, s.expires_at, s.client, s.strong
             FROM sessions s JOIN accounts a ON a.user_id = s.user_id
             WHERE s.sid = $1 AND s.expires_at > $2 AND COALESCE(a.suspended_at, a.erased_at) IS NULL",
        )
        .bind(sid.as_bytes().as_slice())
        .bind(now.0)
        .fetch_optional(&self.readers)
        .await?
        .map(|row| session(&row))
        .transpose()
    }

    async fn sessions_of(&self, user: UserId, now: UnixTime) -> Result<Vec<Session>, DbError> {
        sqlx::query(
            "SELECT sid, user_id, created_at, last_used_at, expires_at, client, strong
             FROM sessions WHERE user_id = $1 AND expires_at > $2
             ORDER BY last_used_at DESC, sid LIMIT 1000",
        )
        .bind(user.as_bytes().as_slice())
        .bind(now.0)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(session)
        .collect()
    }

    async fn end_session_of(&self, user: UserId, sid: SessionId) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let ended = sqlx::query("DELETE FROM sessions WHERE sid = $1 AND user_id = $2")
            .bind(sid.as_bytes().as_slice())
            .bind(user.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(ended.rows_affected() == 1)
    }

    async fn end_other_sessions(&self, user: UserId, keep: SessionId) -> Result<u64, DbError> {
        let mut tx = self.write().await?;
        let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND sid <> $2")
            .bind(user.as_bytes().as_slice())
            .bind(keep.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(ended.rows_affected())
    }

    async fn end_session(&self, sid: SessionId) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let ended = sqlx::query("DELETE FROM sessions WHERE sid = $1")
            .bind(sid.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(ended.rows_affected() == 1)
    }

    async fn end_session_of_token(
        &self,
        token: RefreshHash,
        now: UnixTime,
    ) -> Result<Option<(UserId, SessionId)>, DbError> {
        let mut tx = self.write().await?;
        let ended = sqlx::query(
            "DELETE FROM sessions WHERE sid = (SELECT sid FROM refresh_tokens WHERE hash = $1 AND expires_at > $2)
             RETURNING user_id, sid",
        )
        .bind(token.as_bytes().as_slice())
        .bind(now.0)
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        ended
            .map(|row| {
                Ok((UserId::from_bytes(row.octets("user_id")?), SessionId::from_bytes(row.octets("sid")?)))
            })
            .transpose()
    }

    async fn end_sessions_of(&self, user: UserId) -> Result<u64, DbError> {
        let mut tx = self.write().await?;
        let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(ended.rows_affected())
    }
}

fn session(row: &Row) -> Result<Session, DbError> {
    Ok(Session {
        sid: SessionId::from_bytes(row.octets("sid")?),
        user: UserId::from_bytes(row.octets("user_id")?),
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        last_used_at: row.time("last_used_at")?,
        client: row.try_get("client")?,
        strong: row.flag("strong")?,
    })
}

/// Whether this is an exchange whose answer was lost: the same two tokens, a moment later, and the newer one unused.
async fn is_repeated(
    tx: &mut Connection,
    rotate: &RotateRefresh,
    sid: SessionId,
    used_at: Option<u64>,
) -> Result<bool, DbError> {
    let grace = rotate.now.plus(-i64::from(rotate.grace_secs)).0;
    let recent = used_at.and_then(|at| i64::try_from(at).ok()).is_some_and(|at| at > grace);
    if !recent {
        return Ok(false);
    }
    let waiting = sqlx::query("SELECT 1 FROM refresh_tokens WHERE hash = $1 AND sid = $2 AND used = 0")
        .bind(rotate.new.as_bytes().as_slice())
        .bind(sid.as_bytes().as_slice())
        .fetch_optional(tx)
        .await?;
    Ok(waiting.is_some())
}
