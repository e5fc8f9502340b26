//! Sessions and refresh tokens in SQLite.

use async_trait::async_trait;
use envelope::ids::UserId;

use super::Sqlite;
use super::rows::Columns;
use crate::{DbError, NewSession, RotateRefresh, Rotation, Session, SessionId, Sessions, UnixTime};

#[async_trait]
impl Sessions for Sqlite {
    async fn open_session(&self, new: NewSession) -> Result<(), DbError> {
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO sessions (sid, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(new.sid.as_bytes().as_slice())
            .bind(new.user.as_bytes().as_slice())
            .bind(new.now.0)
            .bind(new.expires_at.0)
            .execute(&mut *tx)
            .await?;
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
            "SELECT t.used, s.sid, s.user_id
             FROM refresh_tokens t JOIN sessions s ON s.sid = t.sid
             WHERE t.hash = $1 AND t.expires_at > $2 AND s.expires_at > $2",
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
        let used = sqlx::query("UPDATE refresh_tokens SET used = 1 WHERE hash = $1 AND used = 0")
            .bind(rotate.old.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        let answer = if used.rows_affected() == 1 {
            sqlx::query("INSERT INTO refresh_tokens (hash, sid, expires_at) VALUES ($1, $2, $3)")
                .bind(rotate.new.as_bytes().as_slice())
                .bind(sid.as_bytes().as_slice())
                .bind(rotate.expires_at.0)
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE sessions SET expires_at = $2 WHERE sid = $1")
                .bind(sid.as_bytes().as_slice())
                .bind(rotate.expires_at.0)
                .execute(&mut *tx)
                .await?;
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
        let row = sqlx::query(
            "SELECT user_id, created_at, expires_at FROM sessions WHERE sid = $1 AND expires_at > $2",
        )
        .bind(sid.as_bytes().as_slice())
        .bind(now.0)
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| {
            Ok(Session {
                sid,
                user: UserId::from_bytes(row.octets("user_id")?),
                created_at: row.time("created_at")?,
                expires_at: row.time("expires_at")?,
            })
        })
        .transpose()
    }

    async fn end_session(&self, sid: SessionId) -> Result<bool, DbError> {
        let ended = sqlx::query("DELETE FROM sessions WHERE sid = $1")
            .bind(sid.as_bytes().as_slice())
            .execute(&self.writer)
            .await?;
        Ok(ended.rows_affected() == 1)
    }

    async fn end_sessions_of(&self, user: UserId) -> Result<u64, DbError> {
        let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .execute(&self.writer)
            .await?;
        Ok(ended.rows_affected())
    }
}
