//! Passkeys and their ceremonies.

use async_trait::async_trait;
use envelope::ids::UserId;

use super::directory::newest_seq;
use super::erasure::must_live;
use super::factors::{lay_out, set, take_stray_codes, withdraw_offer};
use super::rows::{Columns, at_most};
use super::{Driver, Row};
use crate::{
    AddPasskeyAnswer, Ceremony, CeremonyHash, CredentialMac, DbError, NewPasskey, PasskeyId, Passkeys,
    StoredPasskey, UnixTime, UsedPasskey,
};

#[async_trait]
impl Passkeys for Driver {
    async fn open_ceremony(&self, ceremony: Ceremony) -> Result<(), DbError> {
        sqlx::query("INSERT INTO ceremonies (hash, sealed, expires_at) VALUES ($1, $2, $3)")
            .bind(ceremony.hash.as_bytes().as_slice())
            .bind(ceremony.sealed)
            .bind(ceremony.expires_at.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn take_ceremony(&self, hash: CeremonyHash, now: UnixTime) -> Result<Option<Vec<u8>>, DbError> {
        sqlx::query("DELETE FROM ceremonies WHERE hash = $1 AND expires_at > $2 RETURNING sealed")
            .bind(hash.as_bytes().as_slice())
            .bind(now.0)
            .fetch_optional(&self.writer)
            .await?
            .map(|row| row.bytes("sealed"))
            .transpose()
    }

    async fn add_passkey(&self, new: NewPasskey) -> Result<AddPasskeyAnswer, DbError> {
        at_most(&new.backup, 50, "a list of backup codes")?;
        let mut tx = self.write().await?;
        must_live(&mut tx, new.user).await?;
        if newest_seq(&mut tx, new.user).await? != new.keys {
            return Ok(AddPasskeyAnswer::Stale);
        }
        let before = set(&mut tx, new.user).await?;
        let known = sqlx::query("SELECT 1 FROM passkeys WHERE credential = $1")
            .bind(new.credential.as_bytes().as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if known.is_some() {
            return Ok(AddPasskeyAnswer::Known);
        }
        if before.passkeys >= new.most {
            return Ok(AddPasskeyAnswer::TooMany);
        }
        sqlx::query(
            "INSERT INTO passkeys (passkey_id, user_id, credential, sealed, sealed_name, counter, created_at)
             VALUES ($1, $2, $3, $4, $5, 0, $6)",
        )
        .bind(new.id.as_bytes().as_slice())
        .bind(new.user.as_bytes().as_slice())
        .bind(new.credential.as_bytes().as_slice())
        .bind(new.sealed)
        .bind(new.sealed_name)
        .bind(new.now.0)
        .execute(&mut *tx)
        .await?;
        withdraw_offer(&mut tx, new.user).await?;
        let first = !before.is_any();
        if first {
            lay_out(&mut tx, new.user, &new.backup).await?;
        }
        sqlx::query("UPDATE sessions SET strong = 1 WHERE sid = $1 AND user_id = $2")
            .bind(new.sid.as_bytes().as_slice())
            .bind(new.user.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(AddPasskeyAnswer::Added { first })
    }

    async fn passkeys_of(&self, user: UserId) -> Result<Vec<StoredPasskey>, DbError> {
        sqlx::query(
            "SELECT passkey_id, user_id, credential, sealed, sealed_name, created_at, last_used_at
             FROM passkeys WHERE user_id = $1 ORDER BY created_at, passkey_id",
        )
        .bind(user.as_bytes().as_slice())
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored)
        .collect()
    }

    async fn passkey(&self, credential: CredentialMac) -> Result<Option<StoredPasskey>, DbError> {
        sqlx::query(
            "SELECT passkey_id, user_id, credential, sealed, sealed_name, created_at, last_used_at
             FROM passkeys WHERE credential = $1",
        )
        .bind(credential.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?
        .map(|row| stored(&row))
        .transpose()
    }

    async fn use_passkey(&self, used: UsedPasskey) -> Result<bool, DbError> {
        // Two who show the same count at once are told apart here.
        let noted = sqlx::query(
            "UPDATE passkeys SET sealed = $2, counter = $3, last_used_at = $4
             WHERE passkey_id = $1 AND (counter < $3 OR (counter = 0 AND $3 = 0))",
        )
        .bind(used.id.as_bytes().as_slice())
        .bind(used.sealed)
        .bind(i64::from(used.counter))
        .bind(used.now.0)
        .execute(&self.writer)
        .await?;
        Ok(noted.rows_affected() == 1)
    }

    async fn rename_passkey(
        &self,
        user: UserId,
        id: PasskeyId,
        sealed_name: Vec<u8>,
    ) -> Result<bool, DbError> {
        let renamed =
            sqlx::query("UPDATE passkeys SET sealed_name = $3 WHERE passkey_id = $1 AND user_id = $2")
                .bind(id.as_bytes().as_slice())
                .bind(user.as_bytes().as_slice())
                .bind(sealed_name)
                .execute(&self.writer)
                .await?;
        Ok(renamed.rows_affected() == 1)
    }

    async fn remove_passkey(&self, user: UserId, id: PasskeyId) -> Result<bool, DbError> {
        let mut tx = self.write().await?;
        let removed = sqlx::query("DELETE FROM passkeys WHERE passkey_id = $1 AND user_id = $2")
            .bind(id.as_bytes().as_slice())
            .bind(user.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        take_stray_codes(&mut tx, user).await?;
        tx.commit().await?;
        Ok(removed.rows_affected() == 1)
    }
}

fn stored(row: &Row) -> Result<StoredPasskey, DbError> {
    let last_used = row.maybe_natural("last_used_at")?;
    let last_used = last_used.map(|at| i64::try_from(at).map_err(|_| DbError::Damaged("last_used_at")));
    Ok(StoredPasskey {
        id: PasskeyId::from_bytes(row.octets("passkey_id")?),
        user: UserId::from_bytes(row.octets("user_id")?),
        credential: CredentialMac::from_bytes(row.octets("credential")?),
        sealed: row.bytes("sealed")?,
        sealed_name: row.bytes("sealed_name")?,
        created_at: row.time("created_at")?,
        last_used_at: last_used.transpose()?.map(UnixTime),
    })
}
