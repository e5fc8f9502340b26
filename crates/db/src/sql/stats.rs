//! Totals over everybody.

use super::Driver;
use super::rows::Columns;
use crate::{DbError, Stats};

impl Driver {
    pub(in super::super) async fn totals(&self) -> Result<Stats, DbError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM accounts WHERE erased_at IS NULL) AS accounts,
                    (SELECT COUNT(*) FROM files WHERE state = 1) AS files,
                    (SELECT COUNT(*) FROM files WHERE state = 0) AS open_uploads,
                    (SELECT CAST(COALESCE(SUM(charged_bytes), 0) AS BIGINT) FROM accounts) AS charged_bytes,
                    (SELECT COUNT(*) FROM doomed_blobs) AS doomed_blobs",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(Stats {
            accounts: row.natural("accounts")?,
            files: row.natural("files")?,
            open_uploads: row.natural("open_uploads")?,
            charged_bytes: row.natural("charged_bytes")?,
            doomed_blobs: row.natural("doomed_blobs")?,
        })
    }
}
