//! Key files.

use async_trait::async_trait;
use envelope::ids::UserId;

use super::Driver;
use super::erasure::must_live;
use super::rows::Columns;
use crate::{DbError, NewVault, StoreVaultAnswer, StoredVault, UnixTime, Vaults};

#[async_trait]
impl Vaults for Driver {
    async fn store_vault(&self, new: NewVault) -> Result<StoreVaultAnswer, DbError> {
        let mut tx = self.write().await?;
        must_live(&mut tx, new.user).await?;
        let before = sqlx::query("SELECT version, vault FROM vaults WHERE user_id = $1")
            .bind(new.user.as_bytes().as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = before {
            let newest = row.small("version")?;
            if newest == new.version && row.maybe_bytes("vault")?.as_deref() == Some(&new.vault) {
                return Ok(StoreVaultAnswer::Stored);
            }
            if newest >= new.version {
                return Ok(StoreVaultAnswer::Older { newest });
            }
        }
        sqlx::query(
            "INSERT INTO vaults (user_id, version, vault, stored_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, vault = excluded.vault,
                 stored_at = excluded.stored_at",
        )
        .bind(new.user.as_bytes().as_slice())
        .bind(i64::from(new.version))
        .bind(new.vault)
        .bind(new.now.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(StoreVaultAnswer::Stored)
    }

    async fn vault(&self, user: UserId) -> Result<Option<StoredVault>, DbError> {
        let row = sqlx::query(
            "SELECT version, vault, stored_at FROM vaults WHERE user_id = $1 AND vault IS NOT NULL",
        )
        .bind(user.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| {
            Ok(StoredVault {
                version: row.small("version")?,
                vault: row.bytes("vault")?,
                stored_at: row.time("stored_at")?,
            })
        })
        .transpose()
    }

    async fn remove_vault(&self, user: UserId, version: u32, now: UnixTime) -> Result<bool, DbError> {
        let removed = sqlx::query(
            "UPDATE vaults SET vault = NULL, stored_at = $3
             WHERE user_id = $1 AND version = $2 AND vault IS NOT NULL",
        )
        .bind(user.as_bytes().as_slice())
        .bind(i64::from(version))
        .bind(now.0)
        .execute(&self.writer)
        .await?;
        Ok(removed.rows_affected() == 1)
    }
}
