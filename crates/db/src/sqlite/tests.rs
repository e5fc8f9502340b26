//! What is special about the SQLite driver: its file, its limits, its plans.

use std::os::unix::fs::PermissionsExt;

use envelope::ids::UserId;
use sqlx::Row;

use super::sql::{audit, changes, files, jobs, live, notices};
use super::*;
use crate::{Accounts, Audit, Erase, Erasure, Hit, HitAnswer, Lookup, NewAccount, UnixTime};

async fn person(db: &Sqlite, n: u8, address_len: usize) -> Result<(), DbError> {
    let new = NewAccount {
        lookup: Lookup::from_bytes([n; 32]),
        sealed_address: vec![n; address_len],
        user: UserId::from_bytes([n; 16]),
        now: UnixTime(0),
    };
    db.find_or_create_account(new).await.map(|_| ())
}

#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waxwing.db");
    let db = Sqlite::open(&path).await.unwrap();
    person(&db, 1, 40).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        seen += 1;
    }
    assert_eq!(seen, 3, "the file, its log and its shared memory");
    // A file that was too open is closed again.
    db.close().await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    Sqlite::open(&path).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_acknowledged_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
    for (pragma, expected) in
        [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA wal_autocheckpoint", 1000)]
    {
        let found: i64 = sqlx::query(pragma).fetch_one(&db.writer).await.unwrap().get(0);
        assert_eq!(found, expected, "{pragma}");
    }
    let mode: String = sqlx::query("PRAGMA journal_mode").fetch_one(&db.writer).await.unwrap().get(0);
    assert_eq!(mode, "wal");
}

/// Whether octets stand anywhere in the folder.
fn holds(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test]
async fn of_who_is_erased_neither_address_nor_key_is_left_in_free_pages_or_the_log_of_writes() {
    let folder = tempfile::tempdir().unwrap();
    let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
    // Others around, whose rows stay.
    for n in 1..=20 {
        person(&db, n, 40).await.unwrap();
        db.keep_audit_key(UserId::from_bytes([n; 16]), vec![100 + n; 60]).await.unwrap();
    }
    let (address, key) = ([7; 40], [107; 60]);
    assert!(holds(folder.path(), &address) && holds(folder.path(), &key));
    let user = UserId::from_bytes([7; 16]);
    let erase = Erase { user, lookup: Lookup::from_bytes([99; 32]), now: UnixTime(1), events: Vec::new() };
    assert!(db.erase_account(erase).await.unwrap());
    assert!(!holds(folder.path(), &address) && !holds(folder.path(), &key));
    assert!(holds(folder.path(), &[108; 60]), "of others nothing is gone");
    let patience: i64 = sqlx::query("PRAGMA busy_timeout").fetch_one(&db.writer).await.unwrap().get(0);
    assert_eq!(u128::try_from(patience).unwrap(), BUSY_TIMEOUT.as_millis(), "writers wait as before");
}

#[tokio::test]
async fn readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
    assert!(sqlx::query("DELETE FROM accounts").execute(&db.readers).await.is_err());
    assert!(sqlx::query("DELETE FROM accounts").execute(&db.writer).await.is_ok());
}

#[tokio::test]
async fn a_full_database_is_storage_full_and_goes_on_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waxwing.db");
    Sqlite::open(&path).await.unwrap().close().await;
    let db = Sqlite::open_with(&path, Some(80)).await.unwrap();
    person(&db, 1, 40).await.unwrap();
    let full = person(&db, 2, 1 << 20).await;
    assert!(matches!(full, Err(DbError::StorageFull)), "{full:?}");
    assert!(!full.unwrap_err().is_transient());
    assert_eq!(db.stats().await.unwrap().accounts, 1);
    person(&db, 3, 40).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waxwing.db");
    std::fs::write(&path, vec![0x55; 8192]).unwrap();
    let opened = Sqlite::open(&path).await.map(|_| ());
    assert!(matches!(opened, Err(DbError::Damaged(_))), "{opened:?}");
}

#[tokio::test]
async fn a_missing_folder_is_an_open_error() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Sqlite::open(folder.path().join("none/waxwing.db")).await.map(|_| ());
    assert!(matches!(opened, Err(DbError::Open(_))), "{opened:?}");
}

#[tokio::test]
async fn processes_that_start_together_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waxwing.db");
    let opened = futures::future::join_all((0..4).map(|_| Sqlite::open(&path))).await;
    let all: Vec<Sqlite> = opened.into_iter().map(Result::unwrap).collect();
    // Each of them counts against the same limit.
    let mut allowed = 0;
    for db in all.iter().cycle().take(8) {
        let hit = Hit { bucket: vec![1], window_secs: 60, max: 3, now: UnixTime(0) };
        allowed += u32::from(matches!(db.count_hit(hit).await.unwrap(), HitAnswer::Allowed { .. }));
    }
    assert_eq!(allowed, 3);
}

#[tokio::test]
async fn writers_of_several_handles_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waxwing.db");
    let (one, two) = (Sqlite::open(&path).await.unwrap(), Sqlite::open(&path).await.unwrap());
    let write = async |db: &Sqlite, from: u8| {
        for n in from..from + 40 {
            person(db, n, 40).await.unwrap();
        }
    };
    futures::future::join(write(&one, 0), write(&two, 100)).await;
    assert_eq!(one.stats().await.unwrap().accounts, 80);
}

#[tokio::test]
async fn a_call_that_is_dropped_on_the_way_happens_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
    let mut cut_short = 0;
    for n in 0..120_u8 {
        // As a server does it when the client goes away: let go at ever later points.
        let mut call = Box::pin(person(&db, n, 40));
        let mut done = false;
        for _ in 0..u32::from(n) * 4 {
            done = futures::poll!(&mut call).is_ready();
            if done {
                break;
            }
            tokio::task::yield_now().await;
        }
        cut_short += u32::from(!done);
        drop(call);
    }
    assert!(cut_short > 0, "some were dropped before their end");
    // The connection is as good as new, and no row was left half.
    for n in 0..120_u8 {
        person(&db, n, 40).await.unwrap();
    }
    assert_eq!(db.stats().await.unwrap().accounts, 120);
}

/// The steps of a plan, as the engine words them.
async fn plan(db: &Sqlite, sql: &'static str) -> Vec<String> {
    let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = sqlx::query(explained).fetch_all(&db.readers).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}

#[tokio::test]
async fn a_page_of_a_listing_walks_the_index_and_sorts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
    let steps = plan(&db, files::LIST).await;
    assert!(
        steps[0].starts_with("SEARCH g USING INDEX grants_listed (user_id=? AND (listed_at,file_id)<"),
        "{steps:?}"
    );
    assert!(steps[1].starts_with("SEARCH f USING INDEX"), "{steps:?}");
    assert_eq!(steps.len(), 2, "no sort: {steps:?}");
}

#[tokio::test]
async fn a_page_of_activity_walks_its_indexes_and_sorts_no_more_than_two_pages() {
    let folder = tempfile::tempdir().unwrap();
    let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
    let steps = plan(&db, audit::ACTIVITY).await;
    for index in
        ["audit_events_by_actor (actor=? AND n>? AND n<?)", "audit_events_by_owner (owner=? AND n>? AND n<?)"]
    {
        assert!(steps.iter().any(|step| step.contains(index)), "{index}: {steps:?}");
    }
    assert!(steps.iter().filter(|step| step.contains("TEMP B-TREE")).count() <= 2, "{steps:?}");
    assert!(steps.iter().all(|step| !step.contains("SCAN audit_")), "{steps:?}");
}

#[tokio::test]
async fn the_log_refuses_to_change_or_shrink() {
    let folder = tempfile::tempdir().unwrap();
    let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
    for fill in [
        "INSERT INTO audit_events (id, at, kind, actor, sealed) VALUES (x'01', 1, 'signed_in', x'02', x'')",
        "INSERT INTO audit_batches VALUES (1, 1, 1, 1, x'', x'', x'', x'')",
    ] {
        sqlx::query(fill).execute(&db.writer).await.unwrap();
    }
    for change in [
        "UPDATE audit_events SET at = 2",
        "DELETE FROM audit_events",
        "UPDATE audit_batches SET count = 2",
        "DELETE FROM audit_batches",
    ] {
        let refused = sqlx::query(change).execute(&db.writer).await.unwrap_err();
        assert!(refused.to_string().contains("only grows"), "{change}: {refused}");
    }
}

#[tokio::test]
async fn a_database_that_is_only_read_is_neither_made_nor_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waxwing.db");
    assert!(matches!(Sqlite::open_read_only(&path).await.map(|_| ()), Err(DbError::Open(_))));
    assert!(!path.exists());
    let db = Sqlite::open(&path).await.unwrap();
    person(&db, 1, 40).await.unwrap();
    // Beside the one that writes, and after it has gone.
    for _ in 0..2 {
        let reading = Sqlite::open_read_only(&path).await.unwrap();
        assert_eq!(reading.stats().await.unwrap().accounts, 1);
        assert!(person(&reading, 2, 40).await.is_err());
        reading.close().await;
        db.close().await;
    }
}

#[tokio::test]
async fn jobs_find_what_is_due_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
    for sql in [
        "SELECT file_id, state FROM files WHERE state < 2 AND expires_at <= $1 ORDER BY expires_at LIMIT 1",
        // Whether a backup runs is asked once, not of every row.
        // Whether a backup runs is asked once, not of every row.
        jobs::DOOMED,
        "DELETE FROM invitations WHERE expires_at <= $1",
        "SELECT file_id FROM files WHERE state = 3 AND expires_at <= $1",
        "SELECT COUNT(*) FROM files WHERE owner = $1 AND state = 0 AND expires_at > $2",
        "DELETE FROM limit_windows WHERE ends_at <= $1",
        "DELETE FROM changes WHERE gone_at > 0 AND gone_at <= $1",
        "UPDATE changes SET gone_at = $1 WHERE gone_at = 0",
        changes::CHANGED,
        live::OF_USER,
        notices::DUE,
    ] {
        let steps = plan(&db, sql).await;
        assert!(
            steps.iter().filter(|step| !step.starts_with("SCALAR SUBQUERY")).all(|step| {
                step.contains(" USING ") && (step.contains("INDEX") || step.contains("PRIMARY KEY"))
            }),
            "{sql}: {steps:?}"
        );
        assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE")), "{sql}: {steps:?}");
    }
}
