//! Everything that a SQLite database holds arrives in PostgreSQL, or nothing does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use db::conformance;
use db::{
    Database as _, DbError, Live as _, Lookup, MoveError, NewAccount, Postgres, Sqlite, UnixTime,
    move_to_postgres,
};
use envelope::ids::UserId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};
use stage::postgres::{Databases, missing, sql};

use crate::SqliteFixture;

async fn person(db: &dyn db::Database, n: u8) {
    let new = NewAccount {
        lookup: Lookup::from_bytes([n; 32]),
        sealed_address: vec![n; 40],
        user: UserId::from_bytes([n; 16]),
        now: UnixTime(0),
    };
    db.find_or_create_account(new).await.unwrap();
}

async fn raw(file: &PathBuf) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap()
}

/// Tables in which there are rows.
async fn filled(file: &PathBuf) -> Vec<String> {
    let mut source = raw(file).await;
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'
        AND name NOT LIKE 'sqlite%'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut source).await.unwrap();
    let mut filled = Vec::new();
    for table in tables {
        let ask = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM {table})"));
        let there: i64 = sqlx::query_scalar(ask).fetch_one(&mut source).await.unwrap();
        if there == 1 {
            filled.push(table);
        }
    }
    source.close().await.unwrap();
    filled
}

/// What the stories of the suite leave behind, database by database.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_stories_left_arrives_row_by_row_and_numbers_go_on() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = RefCell::new(Vec::new());
    conformance::run_all(|| {
        let path = folder.path().join(format!("{}.db", files.borrow().len()));
        files.borrow_mut().push(path.clone());
        Box::new(SqliteFixture { path })
    })
    .await;
    let databases = Databases::open().unwrap();
    let first = databases.database().unwrap();
    Postgres::open(&first).await.unwrap().close().await;
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    for file in files.into_inner() {
        // Those that hold something which was not moved a few times already.
        let filled = filled(&file).await;
        let is_new = filled.iter().any(|name| told.get(name).is_none_or(|times| *times < 3));
        if !is_new {
            continue;
        }
        filled.into_iter().for_each(|name| *told.entry(name).or_default() += 1);
        let url = databases.copy_of(&first).unwrap();
        let moved = Box::pin(move_to_postgres(&file, &url)).await.unwrap();
        let mut source = raw(&file).await;
        for table in &moved {
            let ask = AssertSqlSafe(format!("SELECT COUNT(*) FROM {}", table.name));
            let counted: i64 = sqlx::query_scalar(ask).fetch_one(&mut source).await.unwrap();
            assert_eq!(u64::try_from(counted).unwrap(), table.rows, "{}", table.name);
            *rows.entry(table.name).or_default() += table.rows;
        }
        let last: i64 = sqlx::query_scalar(
            "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'happenings'), 0)",
        )
        .fetch_one(&mut source)
        .await
        .unwrap();
        let db = Postgres::open(&url).await.unwrap();
        assert_eq!(i64::try_from(db.live_span().await.unwrap().last).unwrap(), last);
        db.close().await;
    }
    let mut empty: Vec<String> =
        rows.iter().filter(|(_, rows)| **rows == 0).map(|(name, _)| name.to_string()).collect();
    // Every story uses up the ceremonies that it begins.
    empty.retain(|name| name != "ceremonies");
    assert!(empty.is_empty(), "the stories fill every table: {empty:?}");
}

#[tokio::test]
async fn a_source_that_somebody_uses_and_a_target_that_is_not_empty_are_refused() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waxwing.db");
    let databases = Databases::open().unwrap();
    let (empty, used) = (databases.database().unwrap(), databases.database().unwrap());
    let source = Sqlite::open(&file).await.unwrap();
    person(&source, 1).await;
    let refused = Box::pin(move_to_postgres(&file, &empty)).await;
    assert!(matches!(refused, Err(MoveError::InUse)), "{refused:?}");
    source.close().await;
    let other = Postgres::open(&used).await.unwrap();
    person(&other, 2).await;
    let refused = Box::pin(move_to_postgres(&file, &used)).await;
    assert!(matches!(refused, Err(MoveError::NotEmpty("accounts"))), "{refused:?}");
    assert_eq!(other.stats().await.unwrap().accounts, 1);
    // Neither of the two is any the worse for it.
    Postgres::open(&used).await.unwrap();
    Sqlite::open(&file).await.unwrap().close().await;
    Box::pin(move_to_postgres(&file, &empty)).await.unwrap();
    // Nobody goes on with the old one by mistake.
    assert!(matches!(Sqlite::open(&file).await.map(|_| ()), Err(DbError::Moved)));
    let again = Box::pin(move_to_postgres(&file, &databases.database().unwrap())).await;
    assert!(matches!(again, Err(MoveError::AlreadyMoved)), "{again:?}");
}

#[tokio::test]
async fn a_move_that_is_cut_off_never_leaves_two_databases_that_servers_take_and_goes_on() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waxwing.db");
    let source = Sqlite::open(&file).await.unwrap();
    for n in 0..200 {
        person(&source, n).await;
    }
    source.close().await;
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    // Let go at ever later points, until one comes to its end.
    let (mut half, mut steps) = (0, 0_u32);
    loop {
        let mut moving = Box::pin(move_to_postgres(&file, &url));
        let mut done = None;
        for _ in 0..steps {
            if let std::task::Poll::Ready(answer) = futures::poll!(&mut moving) {
                done = Some(answer);
                break;
            }
            tokio::time::sleep(std::time::Duration::from_micros(200)).await;
        }
        drop(moving);
        match done {
            // The one before may have been let go behind its last mark.
            Some(Ok(_) | Err(MoveError::AlreadyMoved)) => break,
            // The connections that were dropped a moment ago may not have ended yet.
            Some(Err(MoveError::InUse | MoveError::Target(DbError::Busy))) | None => {}
            Some(Err(error)) => panic!("{error:?}"),
        }
        // The target first: what an engine was told last may still be on its way.
        let target = Postgres::open(&url).await.map(|_| ());
        match target {
            Ok(()) if sql(&url, "SELECT COUNT(*) FROM accounts").unwrap() == "0" => {}
            Ok(()) => assert!(matches!(source_is(&file).await, Err(DbError::Moved)), "servers take both"),
            Err(DbError::HalfMoved) => half += 1,
            Err(error) => panic!("{error:?}"),
        }
        steps = steps * 3 / 2 + 8;
    }
    assert!(half > 0, "some were cut off on the way");
    assert!(matches!(source_is(&file).await, Err(DbError::Moved)));
    let db = Postgres::open(&url).await.unwrap();
    assert_eq!(db.stats().await.unwrap().accounts, 200);
}

/// What a server that starts would say of the file, once whoever held it has let go.
async fn source_is(file: &std::path::Path) -> Result<(), DbError> {
    loop {
        match Sqlite::open(file).await {
            Err(DbError::Busy) => tokio::task::yield_now().await,
            other => return other.map(|_| ()),
        }
    }
}

#[tokio::test]
async fn a_move_goes_on_from_each_of_its_marks() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waxwing.db");
    let source = Sqlite::open(&file).await.unwrap();
    person(&source, 1).await;
    source.close().await;
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    let mark = || sql(&url, "INSERT INTO moving (id) VALUES (1)").unwrap();
    Box::pin(move_to_postgres(&file, &url)).await.unwrap();
    // As one leaves it that was cut off between the second mark and the third.
    mark();
    assert!(matches!(Postgres::open(&url).await.map(|_| ()), Err(DbError::HalfMoved)));
    Box::pin(move_to_postgres(&file, &url)).await.unwrap();
    Postgres::open(&url).await.unwrap().close().await;
    // The same with a target that is not what was moved.
    mark();
    sql(&url, "UPDATE accounts SET quota_bytes = 7").unwrap();
    let other = Box::pin(move_to_postgres(&file, &url)).await;
    assert!(matches!(other, Err(MoveError::Differs { table: "accounts", row: 1 })), "{other:?}");
    assert!(matches!(Postgres::open(&url).await.map(|_| ()), Err(DbError::HalfMoved)));
    // Between the first and the second: rows that are the source's are gone on with, others are nobody's to delete.
    sqlx::query("PRAGMA user_version = 0").execute(&mut raw(&file).await).await.unwrap();
    let other = Box::pin(move_to_postgres(&file, &url)).await;
    assert!(matches!(other, Err(MoveError::NotEmpty("accounts"))), "{other:?}");
    assert_eq!(sql(&url, "SELECT quota_bytes FROM accounts").unwrap(), "7");
    sql(&url, "UPDATE accounts SET quota_bytes = NULL").unwrap();
    Box::pin(move_to_postgres(&file, &url)).await.unwrap();
    Postgres::open(&url).await.unwrap().close().await;
    assert!(matches!(source_is(&file).await, Err(DbError::Moved)));
}

#[tokio::test]
async fn a_row_that_arrives_otherwise_is_noticed_and_nothing_counts() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waxwing.db");
    let source = Sqlite::open(&file).await.unwrap();
    person(&source, 1).await;
    source.close().await;
    let fill = "INSERT INTO doomed_blobs (blob, doomed_at) VALUES ('B', 1), ('a', 2)";
    sqlx::query(fill).execute(&mut raw(&file).await).await.unwrap();
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    Postgres::open(&url).await.unwrap().close().await;
    // A target that keeps them in another order: of the same number of rows, each is another's.
    let other_order = "ALTER TABLE doomed_blobs ALTER COLUMN blob TYPE TEXT COLLATE \"und-x-icu\"";
    sql(&url, other_order).unwrap();
    let refused = Box::pin(move_to_postgres(&file, &url)).await;
    assert!(matches!(refused, Err(MoveError::Differs { table: "doomed_blobs", row: 1 })), "{refused:?}");
    assert_eq!(sql(&url, "SELECT COUNT(*) FROM accounts").unwrap(), "0");
    assert!(Sqlite::open(&file).await.is_ok(), "the source is as it was");
}
