//! Every driver keeps the same promises.

#![expect(clippy::unwrap_used, reason = "tests: what fails here fails the test")]

mod moving;
mod postgres;
mod schema;

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use db::conformance::{self, Fixture};
use db::{Database, Postgres, Sqlite};
use stage::postgres::{Databases, missing};

pub(crate) struct SqliteFixture {
    pub(crate) path: PathBuf,
}

#[async_trait]
impl Fixture for SqliteFixture {
    async fn open(&mut self) -> Arc<dyn Database> {
        Arc::new(Sqlite::open(&self.path).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let made = Cell::new(0);
    conformance::run_all(|| {
        made.set(made.get() + 1);
        Box::new(SqliteFixture { path: folder.path().join(format!("{}.db", made.get())) })
    })
    .await;
}

struct PostgresFixture {
    url: String,
}

#[async_trait]
impl Fixture for PostgresFixture {
    async fn open(&mut self) -> Arc<dyn Database> {
        Arc::new(Postgres::open(&self.url).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgresql_keeps_every_promise() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let databases = Databases::open().unwrap();
    // Made once and copied for each story, which is quicker than making every table anew.
    let first = databases.database().unwrap();
    Postgres::open(&first).await.unwrap().close().await;
    conformance::run_all(|| Box::new(PostgresFixture { url: databases.copy_of(&first).unwrap() })).await;
}
