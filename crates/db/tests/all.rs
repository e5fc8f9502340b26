//! Every driver keeps the same promises.

#![expect(clippy::unwrap_used, reason = "tests: what fails here fails the test")]

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use db::conformance::{self, Fixture};
use db::{Database, Sqlite};

struct SqliteFixture {
    path: PathBuf,
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
