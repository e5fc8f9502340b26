//! Second factors.

use async_trait::async_trait;
use envelope::ids::UserId;

use super::directory::newest_seq;
use super::erasure::must_live;
use super::rows::{Columns, at_most, integer};
use super::{Connection, Driver};
use crate::{
    CodeMac, ConfirmTotp, DbError, Factors, FactorsSet, HalfHash, HalfSignIn, OfferAnswer, OfferTotp, Totp,
    UnixTime,
};

#[async_trait]
impl Factors for Driver {
    async fn offer_totp(&self, offer: OfferTotp) -> Result<OfferAnswer, DbError> {
        let mut tx = self.write().await?;
        must_live(&mut tx, offer.user).await?;
        if newest_seq(&mut tx, offer.user).await? != offer.keys {
            return Ok(OfferAnswer::Stale);
        }
        let offered = sqlx::query(
            "INSERT INTO totp (user_id, sealed_secret, confirmed, created_at) VALUES ($1, $2, 0, $3)
             ON CONFLICT (user_id) DO UPDATE SET sealed_secret = excluded.sealed_secret, last_step = 0,
                 created_at = excluded.created_at WHERE totp.confirmed = 0",
        )
        .bind(offer.user.as_bytes().as_slice())
        .bind(offer.sealed)
        .bind(offer.now.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(if offered.rows_affected() == 1 { OfferAnswer::Offered } else { OfferAnswer::Confirmed })
    }

    async fn totp(&self, user: UserId) -> Result<Option<Totp>, DbError> {
        let row = sqlx::query("SELECT sealed_secret, confirmed, last_step FROM totp WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| {
            Ok(Totp {
                sealed: row.bytes("sealed_secret")?,
                confirmed: row.flag("confirmed")?,
                last_step: row.natural("last_step")?,
            })
        })
        .transpose()
    }

    async fn confirm_totp(&self, confirm: ConfirmTotp) -> Result<bool, DbError> {
        at_most(&confirm.backup, 50, "a list of backup codes")?;
        let mut tx = self.write().await?;
        let confirmed = sqlx::query(
            "UPDATE totp SET confirmed = 1, last_step = $2
             WHERE user_id = $1 AND confirmed = 0 AND sealed_secret = $3",
        )
        .bind(confirm.user.as_bytes().as_slice())
        .bind(integer(confirm.step, "a step")?)
        .bind(confirm.sealed)
        .execute(&mut *tx)
        .await?;
        if confirmed.rows_affected() == 0 {
            return Ok(false);
        }
        lay_out(&mut tx, confirm.user, &confirm.backup).await?;
        sqlx::query("UPDATE sessions SET strong = 1 WHERE sid = $1 AND user_id = $2")
            .bind(confirm.sid.as_bytes().as_slice())
            .bind(confirm.user.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn use_totp_step(&self, user: UserId, step: u64) -> Result<bool, DbError> {
        let used = sqlx::query(
            "UPDATE totp SET last_step = $2 WHERE user_id = $1 AND confirmed = 1 AND last_step < $2",
        )
        .bind(user.as_bytes().as_slice())
        .bind(integer(step, "a step")?)
        .execute(&self.writer)
        .await?;
        Ok(used.rows_affected() == 1)
    }

    async fn use_backup_code(&self, user: UserId, mac: CodeMac) -> Result<bool, DbError> {
        let used = sqlx::query("DELETE FROM backup_codes WHERE user_id = $1 AND mac = $2")
            .bind(user.as_bytes().as_slice())
            .bind(mac.as_bytes().as_slice())
            .execute(&self.writer)
            .await?;
        Ok(used.rows_affected() == 1)
    }

    async fn replace_backup_codes(&self, user: UserId, macs: &[CodeMac]) -> Result<bool, DbError> {
        at_most(macs, 50, "a list of backup codes")?;
        let mut tx = self.write().await?;
        if !set(&mut tx, user).await?.is_any() {
            return Ok(false);
        }
        lay_out(&mut tx, user, macs).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn factors_of(&self, user: UserId) -> Result<FactorsSet, DbError> {
        set(&mut *self.readers.acquire().await?, user).await
    }

    async fn remove_totp(&self, user: UserId) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let removed = sqlx::query("DELETE FROM totp WHERE user_id = $1")
            .bind(user.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        take_stray_codes(&mut tx, user).await?;
        tx.commit().await?;
        Ok(removed.rows_affected() == 1)
    }

    async fn remove_factors(&self, user: UserId) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let were = set(&mut tx, user).await?;
        for forget in ["DELETE FROM totp WHERE user_id = $1", "DELETE FROM passkeys WHERE user_id = $1"] {
            sqlx::query(forget).bind(user.as_bytes().as_slice()).execute(&mut *tx).await?;
        }
        take_stray_codes(&mut tx, user).await?;
        tx.commit().await?;
        Ok(were.is_any())
    }

    async fn open_half(&self, half: HalfSignIn) -> Result<(), DbError> {
        sqlx::query("INSERT INTO half_sign_ins (hash, user_id, expires_at) VALUES ($1, $2, $3)")
            .bind(half.hash.as_bytes().as_slice())
            .bind(half.user.as_bytes().as_slice())
            .bind(half.expires_at.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn try_half(
        &self,
        hash: HalfHash,
        max_attempts: u32,
        now: UnixTime,
    ) -> Result<Option<UserId>, DbError> {
        let row = sqlx::query(
            "UPDATE half_sign_ins SET attempts = attempts + 1
             WHERE hash = $1 AND expires_at > $2 AND attempts < $3 RETURNING user_id",
        )
        .bind(hash.as_bytes().as_slice())
        .bind(now.0)
        .bind(i64::from(max_attempts))
        .fetch_optional(&self.writer)
        .await?;
        row.map(|row| row.octets("user_id").map(UserId::from_bytes)).transpose()
    }

    async fn half(
        &self,
        hash: HalfHash,
        max_attempts: u32,
        now: UnixTime,
    ) -> Result<Option<UserId>, DbError> {
        let row = sqlx::query(
            "SELECT user_id FROM half_sign_ins WHERE hash = $1 AND expires_at > $2 AND attempts < $3",
        )
        .bind(hash.as_bytes().as_slice())
        .bind(now.0)
        .bind(i64::from(max_attempts))
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| row.octets("user_id").map(UserId::from_bytes)).transpose()
    }

    async fn end_half(&self, hash: HalfHash) -> Result<bool, DbError> {
        let ended = sqlx::query("DELETE FROM half_sign_ins WHERE hash = $1")
            .bind(hash.as_bytes().as_slice())
            .execute(&self.writer)
            .await?;
        Ok(ended.rows_affected() == 1)
    }
}

/// What second factors somebody has.
pub(super) async fn set(connection: &mut Connection, user: UserId) -> Result<FactorsSet, DbError> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM totp WHERE user_id = $1 AND confirmed = 1) AS apps,
                (SELECT COUNT(*) FROM passkeys WHERE user_id = $1) AS passkeys,
                (SELECT COUNT(*) FROM backup_codes WHERE user_id = $1) AS codes",
    )
    .bind(user.as_bytes().as_slice())
    .fetch_one(connection)
    .await?;
    Ok(FactorsSet {
        app: row.natural("apps")? > 0,
        passkeys: row.small("passkeys")?,
        backup_codes: row.small("codes")?,
    })
}

/// Backup codes stand in for something, or there are none.
pub(super) async fn take_stray_codes(tx: &mut Connection, user: UserId) -> Result<(), DbError> {
    if set(tx, user).await?.is_any() {
        return Ok(());
    }
    lay_out(tx, user, &[]).await
}

/// These backup codes and no others.
pub(super) async fn lay_out(tx: &mut Connection, user: UserId, macs: &[CodeMac]) -> Result<(), DbError> {
    sqlx::query("DELETE FROM backup_codes WHERE user_id = $1")
        .bind(user.as_bytes().as_slice())
        .execute(&mut *tx)
        .await?;
    for mac in macs {
        sqlx::query("INSERT INTO backup_codes (user_id, mac) VALUES ($1, $2)")
            .bind(user.as_bytes().as_slice())
            .bind(mac.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Takes back an authenticator app that was offered and not confirmed: what stands now was not there when it was offered, and
/// whoever asked for it may have needed less proof than they would need now.
pub(super) async fn withdraw_offer(tx: &mut Connection, user: UserId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM totp WHERE user_id = $1 AND confirmed = 0")
        .bind(user.as_bytes().as_slice())
        .execute(tx)
        .await?;
    Ok(())
}
