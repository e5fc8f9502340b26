//! Which schema a database has, beside the one that this version knows.

use super::Sqlite;
use crate::DbError;

/// Two versions of a schema; each is the number of the newest step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaVersions {
    /// What the database has.
    pub applied: i64,
    /// What this version brings it to.
    pub known: i64,
}

impl Sqlite {
    /// Which schema the database has; changes nothing.
    ///
    /// # Errors
    /// Whatever the engine reports, also for a file that never was such a database.
    pub async fn schema_versions(&self) -> Result<SchemaVersions, DbError> {
        let applied = sqlx::query_scalar::<_, Option<i64>>(
            "SELECT MAX(version) FROM _sqlx_migrations WHERE success = 1",
        );
        let applied = applied.fetch_one(&self.readers).await?.unwrap_or(0);
        let known = sqlx::migrate!("./migrations/sqlite").iter().map(|step| step.version).max().unwrap_or(0);
        Ok(SchemaVersions { applied, known })
    }
}
