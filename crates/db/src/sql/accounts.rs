//! Accounts, one-time codes and counted limits.

use async_trait::async_trait;
use envelope::ids::UserId;
use sqlx::{QueryBuilder, Row as _};

use super::rows::{Columns, at_most};
use super::{Connection, Driver, Row};
use crate::{
    Account, AccountRow, Accounts, CodeMac, DbError, Enrolled, Hit, HitAnswer, Lookup, NewAccount, NewCode,
    Redemption, SentCode, UnixTime,
};

#[async_trait]
impl Accounts for Driver {
    async fn issue_code(&self, code: NewCode) -> Result<SentCode, DbError> {
        let NewCode { lookup, mac, now, expires_at, window_secs, send_limit, max_attempts } = code;
        // Beside other writers: all of it is about one row, which the first statement locks whether it changes it or not.
        let mut tx = self.write_beside().await?;
        let issued = sqlx::query(
            "INSERT INTO codes (lookup, mac, expires_at, attempts, sends, window_ends_at)
             VALUES ($1, $2, $3, 0, 1, $4)
             ON CONFLICT (lookup) DO UPDATE SET
                 mac = excluded.mac,
                 expires_at = excluded.expires_at,
                 attempts = CASE WHEN codes.window_ends_at <= $5 OR codes.window_ends_at > excluded.window_ends_at + 300 THEN 0 ELSE codes.attempts END,
                 sends = CASE WHEN codes.window_ends_at <= $5 OR codes.window_ends_at > excluded.window_ends_at + 300 THEN 1 ELSE codes.sends + 1 END,
                 window_ends_at = CASE WHEN codes.window_ends_at <= $5 OR codes.window_ends_at > excluded.window_ends_at + 300 THEN excluded.window_ends_at
                                       ELSE codes.window_ends_at END
             WHERE codes.window_ends_at <= $5 OR codes.window_ends_at > excluded.window_ends_at + 300
                 OR (codes.sends < $6 AND codes.attempts < $7)
             RETURNING sends",
        )
        .bind(lookup.as_bytes().as_slice())
        .bind(mac.as_bytes().as_slice())
        .bind(expires_at.0)
        .bind(now.plus(window_secs.into()).0)
        .bind(now.0)
        .bind(i64::from(send_limit))
        .bind(i64::from(max_attempts))
        .fetch_optional(&mut *tx)
        .await?;
        let answer = if issued.is_some() {
            SentCode::Issued
        } else {
            let row = sqlx::query("SELECT window_ends_at FROM codes WHERE lookup = $1")
                .bind(lookup.as_bytes().as_slice())
                .fetch_one(&mut *tx)
                .await?;
            SentCode::TooMany { retry_after_secs: now.seconds_until(row.time("window_ends_at")?).max(1) }
        };
        tx.commit().await?;
        Ok(answer)
    }

    async fn redeem_code(
        &self,
        lookup: Lookup,
        mac: CodeMac,
        max_attempts: u32,
        now: UnixTime,
    ) -> Result<Redemption, DbError> {
        // One statement: between counting and comparing there is nothing.
        let row = sqlx::query(
            "UPDATE codes SET
                 attempts = CASE WHEN mac = $2 THEN 0 ELSE attempts + 1 END,
                 mac = CASE WHEN mac = $2 THEN NULL ELSE mac END
             WHERE lookup = $1 AND mac IS NOT NULL AND attempts < $3 AND expires_at > $4
             RETURNING CASE WHEN mac IS NULL THEN 1 ELSE 0 END AS correct",
        )
        .bind(lookup.as_bytes().as_slice())
        .bind(mac.as_bytes().as_slice())
        .bind(i64::from(max_attempts))
        .bind(now.0)
        .fetch_optional(&self.writer)
        .await?;
        Ok(match row {
            None => Redemption::Void,
            Some(row) if row.flag("correct")? => Redemption::Correct,
            Some(_) => Redemption::Wrong,
        })
    }

    async fn find_or_create_account(&self, new: NewAccount) -> Result<Enrolled, DbError> {
        let mut tx = self.write().await?;
        let enrolled = enroll(&mut tx, new).await?;
        tx.commit().await?;
        Ok(enrolled)
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, DbError> {
        sqlx::query(
            "SELECT user_id, lookup, sealed_address, created_at, suspended_at, quota_bytes
             FROM accounts WHERE user_id = $1",
        )
        .bind(user.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?
        .map(|row| account(&row))
        .transpose()
    }

    async fn users_by_lookup(&self, lookups: &[Lookup]) -> Result<Vec<(Lookup, UserId)>, DbError> {
        at_most(lookups, 1000, "a list of addresses")?;
        if lookups.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new("SELECT lookup, user_id FROM accounts WHERE lookup IN (");
        let mut list = query.separated(", ");
        for lookup in lookups {
            list.push_bind(lookup.as_bytes().as_slice());
        }
        query.push(")");
        let rows = query.build().persistent(false).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                Ok((Lookup::from_bytes(row.octets("lookup")?), UserId::from_bytes(row.octets("user_id")?)))
            })
            .collect()
    }

    async fn list_accounts(
        &self,
        after: Option<UserId>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<AccountRow>, DbError> {
        // No id is less than nothing.
        let after = after.map_or_else(Vec::new, |user| user.as_bytes().to_vec());
        sqlx::query(
            "SELECT a.user_id, a.lookup, a.sealed_address, a.created_at, a.suspended_at, a.quota_bytes, a.charged_bytes,
                (SELECT COUNT(*) FROM sessions s WHERE s.user_id = a.user_id AND s.expires_at > $3) AS sessions,
                (EXISTS (SELECT 1 FROM totp t WHERE t.user_id = a.user_id AND t.confirmed = 1)
                 OR EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = a.user_id)) AS second_factor
             FROM accounts a WHERE a.user_id > $1 AND a.erased_at IS NULL ORDER BY a.user_id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit.clamp(1, 500)))
        .bind(now.0)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(|row| {
            Ok(AccountRow {
                account: account(row)?,
                charged_bytes: row.natural("charged_bytes")?,
                sessions: row.small("sessions")?,
                second_factor: row.flag("second_factor")?,
            })
        })
        .collect()
    }

    async fn count_hit(&self, hit: Hit) -> Result<HitAnswer, DbError> {
        at_most(&hit.bucket, 128, "the key of a limit")?;
        // A window that ends later than one that begins now was begun by a clock that was ahead, and is over; five minutes are
        // left to servers whose clocks differ. The count stops one above the limit, so that a flood does not run through numbers.
        let row = sqlx::query(
            "INSERT INTO limit_windows (bucket, hits, ends_at) VALUES ($1, 1, $2)
             ON CONFLICT (bucket) DO UPDATE SET
                 hits = CASE WHEN limit_windows.ends_at <= $3 OR limit_windows.ends_at > excluded.ends_at + 300 THEN 1
                             WHEN limit_windows.hits <= $4 THEN limit_windows.hits + 1
                             ELSE limit_windows.hits END,
                 ends_at = CASE WHEN limit_windows.ends_at <= $3 OR limit_windows.ends_at > excluded.ends_at + 300 THEN excluded.ends_at
                                ELSE limit_windows.ends_at END
             RETURNING hits, ends_at",
        )
        .bind(hit.bucket)
        .bind(hit.now.plus(hit.window_secs.into()).0)
        .bind(hit.now.0)
        .bind(i64::from(hit.max))
        .fetch_one(&self.writer)
        .await?;
        let hits = row.small("hits")?;
        let wait = hit.now.seconds_until(row.time("ends_at")?).max(1);
        Ok(match hit.max.checked_sub(hits) {
            Some(remaining) => HitAnswer::Allowed { remaining, reset_secs: wait },
            None => HitAnswer::TooMany { retry_after_secs: wait },
        })
    }

    async fn reserve_hits(&self, hit: Hit, count: u32) -> Result<Option<u32>, DbError> {
        at_most(&hit.bucket, 128, "the key of a limit")?;
        if count == 0 || count > hit.max {
            return Ok(None);
        }
        let row = sqlx::query(
            "INSERT INTO limit_windows (bucket, hits, ends_at) VALUES ($1, $5, $2)
             ON CONFLICT (bucket) DO UPDATE SET
                 hits = CASE WHEN limit_windows.ends_at <= $3 OR limit_windows.ends_at > excluded.ends_at + 300 THEN $5 ELSE limit_windows.hits + $5 END,
                 ends_at = CASE WHEN limit_windows.ends_at <= $3 OR limit_windows.ends_at > excluded.ends_at + 300 THEN excluded.ends_at
                                ELSE limit_windows.ends_at END
             WHERE limit_windows.ends_at <= $3 OR limit_windows.ends_at > excluded.ends_at + 300
                 OR limit_windows.hits + $5 <= $4
             RETURNING ends_at",
        )
        .bind(hit.bucket)
        .bind(hit.now.plus(hit.window_secs.into()).0)
        .bind(hit.now.0)
        .bind(i64::from(hit.max))
        .bind(i64::from(count))
        .fetch_optional(&self.writer)
        .await?;
        row.map(|row| Ok(hit.now.seconds_until(row.time("ends_at")?).max(1))).transpose()
    }
}

fn account(row: &Row) -> Result<Account, DbError> {
    Ok(Account {
        user: UserId::from_bytes(row.octets("user_id")?),
        lookup: Lookup::from_bytes(row.octets("lookup")?),
        sealed_address: row.bytes("sealed_address")?,
        created_at: row.time("created_at")?,
        suspended_at: row.try_get::<Option<i64>, _>("suspended_at")?.map(UnixTime),
        quota_bytes: row.maybe_natural("quota_bytes")?,
    })
}

/// The account of an address, made if there is none; an invitation is used up by that.
pub(super) async fn enroll(tx: &mut Connection, new: NewAccount) -> Result<Enrolled, DbError> {
    let made = sqlx::query(
        "INSERT INTO accounts (user_id, lookup, sealed_address, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (lookup) DO NOTHING",
    )
    .bind(new.user.as_bytes().as_slice())
    .bind(new.lookup.as_bytes().as_slice())
    .bind(new.sealed_address)
    .bind(new.now.0)
    .execute(&mut *tx)
    .await?;
    let is_new = made.rows_affected() == 1;
    if is_new {
        sqlx::query("DELETE FROM invitations WHERE lookup = $1")
            .bind(new.lookup.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
    }
    let row = sqlx::query(
        "SELECT user_id, lookup, sealed_address, created_at, suspended_at, quota_bytes
         FROM accounts WHERE lookup = $1",
    )
    .bind(new.lookup.as_bytes().as_slice())
    .fetch_one(&mut *tx)
    .await?;
    Ok(Enrolled { account: account(&row)?, is_new })
}
