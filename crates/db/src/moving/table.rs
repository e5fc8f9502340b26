//! One table: read on one side, written on the other, and compared.

use aws_lc_rs::digest::{Context, SHA256};
use futures::TryStreamExt as _;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::cell::Cell;
use super::{MoveError, MovedTable};
use crate::{DbError, Digest};

/// Octets that are sent at once.
const CHUNK: usize = 1 << 18;

/// A table, by the source's own description.
pub(super) struct Table {
    name: &'static str,
    columns: Vec<String>,
    /// All of it in the order of its primary key, in words of both engines.
    select: String,
}

impl Table {
    pub(super) async fn of(source: &mut SqliteConnection, name: &'static str) -> Result<Self, MoveError> {
        let rows = sqlx::query("SELECT name, pk FROM pragma_table_info($1) ORDER BY cid")
            .bind(name)
            .fetch_all(source)
            .await
            .map_err(from)?;
        let (mut columns, mut key) = (Vec::new(), Vec::new());
        for row in &rows {
            let column: String = row.try_get("name").map_err(from)?;
            let place: i64 = row.try_get("pk").map_err(from)?;
            if place > 0 {
                key.push((place, column.clone()));
            }
            columns.push(column);
        }
        key.sort();
        let key: Vec<String> = key.into_iter().map(|(_, column)| column).collect();
        let select = format!("SELECT {} FROM {name} ORDER BY {}", columns.join(", "), key.join(", "));
        Ok(Self { name, columns, select })
    }

    pub(super) async fn copy(
        &self,
        source: &mut SqliteConnection,
        target: &mut PgConnection,
    ) -> Result<(), MoveError> {
        let statement = format!("COPY {} ({}) FROM STDIN", self.name, self.columns.join(", "));
        let mut sink = target.copy_in_raw(&statement).await.map_err(to)?;
        let mut rows = sqlx::query(AssertSqlSafe(self.select.clone())).fetch(source);
        let mut lines = String::new();
        while let Some(row) = rows.try_next().await.map_err(from)? {
            for n in 0..self.columns.len() {
                if n > 0 {
                    lines.push('\t');
                }
                Cell::of_sqlite(&row, n).map_err(from)?.write_copy(&mut lines);
            }
            lines.push('\n');
            if lines.len() >= CHUNK {
                sink.send(lines.as_bytes()).await.map_err(to)?;
                lines.clear();
            }
        }
        sink.send(lines.as_bytes()).await.map_err(to)?;
        sink.finish().await.map_err(to)?;
        Ok(())
    }

    /// Reads both sides in step; each row is held against its other.
    pub(super) async fn compare(
        &self,
        source: &mut SqliteConnection,
        target: &mut PgConnection,
    ) -> Result<MovedTable, MoveError> {
        let mut here = sqlx::query(AssertSqlSafe(self.select.clone())).fetch(source);
        let mut there = sqlx::query(AssertSqlSafe(self.select.clone())).persistent(false).fetch(target);
        let (mut left, mut right) = (Context::new(&SHA256), Context::new(&SHA256));
        let mut rows = 0_u64;
        let mut hashed = Vec::new();
        loop {
            let (one, other) = (here.try_next().await.map_err(from)?, there.try_next().await.map_err(to)?);
            let (one, other) = match (one, other) {
                (None, None) => break,
                (Some(one), Some(other)) => (one, other),
                _ => return Err(MoveError::Differs { table: self.name, row: rows + 1 }),
            };
            rows += 1;
            for n in 0..self.columns.len() {
                let (one, other) =
                    (Cell::of_sqlite(&one, n).map_err(from)?, Cell::of_postgres(&other, n).map_err(to)?);
                if one != other {
                    return Err(MoveError::Differs { table: self.name, row: rows });
                }
                for (cell, context) in [(one, &mut left), (other, &mut right)] {
                    hashed.clear();
                    cell.write_hashed(&mut hashed);
                    context.update(&hashed);
                }
            }
        }
        let (left, right) = (left.finish(), right.finish());
        if left.as_ref() != right.as_ref() {
            return Err(MoveError::Differs { table: self.name, row: rows });
        }
        let digest = left.as_ref().try_into().expect("SHA-256 gives 32 octets");
        Ok(MovedTable { name: self.name, rows, digest: Digest::from_bytes(digest) })
    }
}

fn from(error: sqlx::Error) -> MoveError {
    MoveError::Source(DbError::from(error))
}

fn to(error: sqlx::Error) -> MoveError {
    MoveError::Target(DbError::from(error))
}
