//! Erasure.

use async_trait::async_trait;

use super::audit::append;
use super::rows::Columns;
use super::{Connection, Driver, engine};
use crate::{DbError, Erase, Erasure};
use envelope::ids::UserId;

/// What is the person's alone, row by row. Refresh tokens go with their sessions.
const OWN: [&str; 14] = [
    "DELETE FROM sessions WHERE user_id = $1",
    "DELETE FROM half_sign_ins WHERE user_id = $1",
    "DELETE FROM totp WHERE user_id = $1",
    "DELETE FROM passkeys WHERE user_id = $1",
    "DELETE FROM backup_codes WHERE user_id = $1",
    "DELETE FROM key_resets WHERE user_id = $1",
    "DELETE FROM bundles WHERE user_id = $1",
    "DELETE FROM vaults WHERE user_id = $1",
    "DELETE FROM pin_records WHERE user_id = $1",
    "DELETE FROM tickets WHERE user_id = $1",
    "DELETE FROM links WHERE file_id IN (SELECT file_id FROM files WHERE owner = $1)",
    "DELETE FROM boxes WHERE owner = $1",
    concat!(
        "UPDATE v0_files SET sealed_name = ",
        empty!(),
        ", sealed = ",
        empty!(),
        " WHERE file_id IN (SELECT file_id FROM files WHERE owner = $1)"
    ),
    "DELETE FROM audit_keys WHERE user_id = $1",
];

/// What others gave to the person, and what the person said of it.
const GIVEN: [&str; 6] = [
    "DELETE FROM grants WHERE user_id = $1 AND file_id NOT IN (SELECT file_id FROM files WHERE owner = $1)",
    "DELETE FROM receipts WHERE user_id = $1",
    "DELETE FROM v0_readers WHERE lookup = (SELECT lookup FROM accounts WHERE user_id = $1)",
    "DELETE FROM changes WHERE user_id = $1",
    "DELETE FROM notices WHERE user_id = $1",
    // What wakes the servers that still hold a connection of theirs stays.
    "DELETE FROM happenings WHERE user_id = $1 AND kind < 5",
];

#[async_trait]
impl Erasure for Driver {
    async fn erase_account(&self, erase: Erase) -> Result<bool, DbError> {
        let user = erase.user.as_bytes().as_slice();
        let mut tx = self.write().await?;
        let Some(row) = sqlx::query("SELECT lookup FROM accounts WHERE user_id = $1 AND erased_at IS NULL")
            .bind(user)
            .fetch_optional(&mut *tx)
            .await?
        else {
            return Ok(false);
        };
        append(&mut tx, &erase.events).await?;
        sqlx::query("DELETE FROM codes WHERE lookup = $1")
            .bind(row.bytes("lookup")?)
            .execute(&mut *tx)
            .await?;
        for statement in OWN.into_iter().chain(GIVEN) {
            sqlx::query(statement).bind(user).execute(&mut *tx).await?;
        }
        sqlx::query(
            "UPDATE files SET expires_at = CASE WHEN expires_at < $2 THEN expires_at ELSE $2 END
             WHERE owner = $1 AND state < 2",
        )
        .bind(user)
        .bind(erase.now.0)
        .execute(&mut *tx)
        .await?;
        sqlx::query(concat!(
            "UPDATE accounts SET lookup = $2, erased_at = $3, suspended_at = NULL, quota_bytes = NULL,
                 sealed_address = ",
            empty!(),
            " WHERE user_id = $1"
        ))
        .bind(user)
        .bind(erase.lookup.as_bytes().as_slice())
        .bind(erase.now.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        // It is done. What cannot be folded back now is with what is written next.
        drop(engine::fold_back(&self.writer).await);
        Ok(true)
    }
}

/// Refuses what would be kept of somebody who is not here, or has left while it was under way.
pub(super) async fn must_live(tx: &mut Connection, user: UserId) -> Result<(), DbError> {
    sqlx::query("SELECT 1 AS lives FROM accounts WHERE user_id = $1 AND erased_at IS NULL")
        .bind(user.as_bytes().as_slice())
        .fetch_optional(tx)
        .await?
        .map(drop)
        .ok_or(DbError::UnknownAccount)
}
