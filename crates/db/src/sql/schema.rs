//! Which schema a database has, beside the one that this version knows.

use super::{Driver, engine};
use crate::{DbError, SchemaVersions};

impl Driver {
    pub(in super::super) async fn versions(&self) -> Result<SchemaVersions, DbError> {
        let applied =
            sqlx::query_scalar::<_, Option<i64>>("SELECT MAX(version) FROM _sqlx_migrations WHERE success");
        let applied = applied.fetch_one(&self.readers).await?.unwrap_or(0);
        let known = engine::migrator().iter().map(|step| step.version).max().unwrap_or(0);
        Ok(SchemaVersions { applied, known })
    }
}
