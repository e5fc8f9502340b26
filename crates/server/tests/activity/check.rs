//! Every tampering with the rows is found and named; the honest twin is not.

use std::path::Path;
use std::sync::Arc;

use db::{Audit as _, Database as _, NewEvent, Sqlite, UnixTime};
use envelope::{EventId, UserId};
use proto::Kind;
use server::audit::{Fault, Findings, Head, Known, Log};
use server::{Config, Seams, Server, SettableClock};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

use crate::stage::Stage;

/// The log of a stage's folder, as an operator opens it beside the running server.
pub(super) async fn log(stage: &Stage) -> Log {
    Log::open(&crate::stage::server::configured(stage.data.path(), "data")).await.unwrap()
}

fn id(n: u8) -> EventId {
    EventId::from_bytes([n; 16])
}

/// A folder whose log has three batches of three events (1 to 9) and one event that is not sealed.
async fn folder() -> TempDir {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SettableClock::starting_now());
    for batch in 0..4_u8 {
        let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
        let events: Vec<NewEvent> =
            (1..=3).map(|n| event(3 * batch + n)).take(if batch == 3 { 1 } else { 3 }).collect();
        db.append_events(&events).await.unwrap();
        db.close().await;
        if batch < 3 {
            seal(folder.path(), &clock).await;
        }
    }
    folder
}

/// A server comes, seals what is there, and goes; the next one may take over its lease.
async fn seal(folder: &Path, clock: &Arc<SettableClock>) {
    let seams = Seams { clock: Some(clock.clone()), ..Seams::default() };
    let running = Server::start_with(Config::for_data(folder.to_owned()), seams).await.unwrap();
    running.run_jobs().await.unwrap();
    running.shutdown().await;
    clock.advance(61);
}

fn event(n: u8) -> NewEvent {
    NewEvent {
        id: id(n),
        at: UnixTime(1_800_000_000 + i64::from(n)),
        kind: Kind::SignedIn,
        actor: UserId::from_bytes([n % 2; 16]),
        owner: None,
        file_id: None,
        other: None,
        sealed: vec![n; 40],
    }
}

/// The same folder after somebody with the database was at it.
async fn after(folder: &Path, sql: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("waxwing.db"), copy.path().join("waxwing.db")).unwrap();
    std::fs::create_dir(copy.path().join("secrets")).unwrap();
    std::fs::copy(folder.join("secrets/secret_key"), copy.path().join("secrets/secret_key")).unwrap();
    let options = SqliteConnectOptions::new().filename(copy.path().join("waxwing.db")).foreign_keys(false);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    for trigger in
        ["audit_events_stay", "audit_events_are_final", "audit_batches_stay", "audit_batches_are_final"]
    {
        let drop = sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"));
        sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    copy
}

async fn check(folder: &Path, known: Option<Known>) -> Findings {
    let log = Log::open(&Config::for_data(folder.to_owned())).await.unwrap();
    let findings = log.check(known).await.unwrap();
    log.close().await;
    findings
}

async fn newest(folder: &Path) -> Head {
    check(folder, None).await.newest.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untouched_log_is_sound() {
    let folder = folder().await;
    let findings = check(folder.path(), None).await;
    assert_eq!((findings.batches, findings.events, findings.unsealed), (3, 9, 1));
    assert_eq!(findings.faults, []);
    let newest = findings.newest.unwrap();
    for known in [Known::Head(newest), Known::Hash(newest.hash)] {
        assert_eq!(check(folder.path(), Some(known)).await.faults, []);
    }
    // The copy by itself, and an event that is not sealed yet, break nothing.
    let same = after(folder.path(), "DELETE FROM audit_events WHERE n > 9").await;
    assert_eq!(check(same.path(), Some(Known::Head(newest))).await.faults, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_is_named_whatever_was_changed() {
    let folder = folder().await;
    for change in [
        "at = at + 1",
        "kind = 'signed_out'",
        "actor = x'09090909090909090909090909090909'",
        "owner = actor",
        "file_id = actor",
        "other = actor",
        "sealed = x'00'",
        "id = x'09080909090909090909090909090909'",
    ] {
        let broken = after(folder.path(), &format!("UPDATE audit_events SET {change} WHERE n = 5")).await;
        let faults = check(broken.path(), None).await.faults;
        assert!(matches!(faults.as_slice(), [Fault::Changed { n: 5, batch: 2, .. }]), "{change}: {faults:?}");
        assert!(faults[0].to_string().starts_with("event 5 ("), "{}", faults[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_added_or_moved_row_is_named() {
    let folder = folder().await;
    let faults = async |sql: &str| check(after(folder.path(), sql).await.path(), None).await.faults;
    let removed = faults("DELETE FROM audit_events WHERE n = 5").await;
    assert_eq!(removed, [Fault::Removed { batch: 2, place: 2 }]);
    let all = faults("DELETE FROM audit_events WHERE n BETWEEN 4 AND 6").await;
    assert_eq!(all, [1, 2, 3].map(|place| Fault::Removed { batch: 2, place }));
    let moved = faults(
        "UPDATE audit_events SET n = 100 WHERE n = 4; UPDATE audit_events SET n = 4 WHERE n = 5;
         UPDATE audit_events SET n = 5 WHERE n = 100",
    )
    .await;
    let (four, five) = (id(5), id(4));
    assert_eq!(
        moved,
        [Fault::Reordered { n: 4, id: four, batch: 2 }, Fault::Reordered { n: 5, id: five, batch: 2 }]
    );
    let across = faults(
        "UPDATE audit_events SET n = 100 WHERE n = 3; UPDATE audit_events SET n = 3 WHERE n = 4;
         UPDATE audit_events SET n = 4 WHERE n = 100",
    )
    .await;
    assert_eq!(
        across,
        [Fault::Changed { n: 3, id: id(4), batch: 1 }, Fault::Changed { n: 4, id: id(3), batch: 2 }]
    );
    let added = faults(
        "PRAGMA ignore_check_constraints = ON; DELETE FROM audit_events WHERE n = 1;
         INSERT INTO audit_events (n, id, at, kind, actor, sealed)
         VALUES (0, randomblob(16), 1, 'signed_in', zeroblob(16), x'')",
    )
    .await;
    // A number that no event of this program has is not even looked at: what is seen is that one is missing.
    assert_eq!(added, [Fault::Removed { batch: 1, place: 1 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_removed_batch_is_named() {
    let folder = folder().await;
    let faults = async |sql: &str| check(after(folder.path(), sql).await.path(), None).await.faults;
    for change in ["count = 2", "last_time = 0", "digest = zeroblob(32)", "leaves = zeroblob(96)"] {
        let found = faults(&format!("UPDATE audit_batches SET {change} WHERE seq = 2")).await;
        assert!(found.contains(&Fault::BatchChanged { batch: 2 }), "{change}: {found:?}");
    }
    let head = faults("UPDATE audit_batches SET head = zeroblob(32) WHERE seq = 3").await;
    assert_eq!(head, [Fault::BatchChanged { batch: 3 }]);
    let signature = faults("UPDATE audit_batches SET signature = zeroblob(64) WHERE seq = 3").await;
    assert_eq!(signature, [Fault::Signature { batch: 3 }]);
    let other = faults(
        "UPDATE audit_batches SET signature = (SELECT signature FROM audit_batches WHERE seq = 1) WHERE seq = 3",
    );
    assert_eq!(other.await, [Fault::Signature { batch: 3 }], "a signature of another head");
    let gone = faults("DELETE FROM audit_batches WHERE seq = 2").await;
    assert_eq!(gone, [Fault::BatchesRemoved { first: 2, last: 2 }]);
    let start = faults("DELETE FROM audit_batches WHERE seq < 3; DELETE FROM audit_events WHERE n < 7").await;
    assert_eq!(start, [Fault::BatchesRemoved { first: 1, last: 2 }]);
    let shifted = faults("UPDATE audit_batches SET last_n = 5 WHERE seq = 2").await;
    assert!(!shifted.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_tail_is_seen_by_a_head_from_before_and_only_by_that() {
    let folder = folder().await;
    let known = newest(folder.path()).await;
    let cut = after(
        folder.path(),
        "DELETE FROM audit_batches WHERE seq = 3; DELETE FROM audit_events WHERE n > 6;",
    )
    .await;
    let left = newest(cut.path()).await;
    assert_eq!(check(cut.path(), None).await.faults, [], "what is left is sound in itself");
    let faults = check(cut.path(), Some(Known::Head(known))).await.faults;
    assert_eq!(faults, [Fault::Cut { known, newest: Some(left) }]);
    assert_eq!(
        faults[0].to_string(),
        "the end of the log was cut: batch 3 was seen before, and it ends at batch 2"
    );
    let hash = known.hash;
    assert_eq!(check(cut.path(), Some(Known::Hash(hash))).await.faults, [Fault::Unknown { hash }]);
    let empty = after(folder.path(), "DELETE FROM audit_batches; DELETE FROM audit_events").await;
    let faults = check(empty.path(), Some(Known::Head(known))).await.faults;
    assert_eq!(faults, [Fault::Cut { known, newest: None }]);
    // An older head is part of the log still.
    assert_eq!(check(folder.path(), Some(Known::Head(left))).await.faults, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_sealed_anew_is_seen_by_a_head_from_before() {
    let folder = folder().await;
    let known = newest(folder.path()).await;
    // Whoever has the server's secret can seal another history, and it is sound in itself.
    let anew = after(folder.path(), "DELETE FROM audit_batches; DELETE FROM audit_events WHERE n = 5").await;
    let clock = Arc::new(SettableClock::starting_now());
    // Past the leases that were copied.
    clock.advance(3_600);
    seal(anew.path(), &clock).await;
    let other = Head { seq: 1, ..newest(anew.path()).await };
    assert_eq!(check(anew.path(), None).await.faults, []);
    let known_one = Head { seq: 1, hash: known.hash };
    let faults = check(anew.path(), Some(Known::Head(known_one))).await.faults;
    assert_eq!(faults, [Fault::Rewritten { known: known_one }]);
    assert_eq!(check(anew.path(), Some(Known::Head(other))).await.faults, []);
    let cut = check(anew.path(), Some(Known::Head(known))).await.faults;
    assert!(matches!(cut.as_slice(), [Fault::Cut { .. }]), "{cut:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_all_and_tells_the_head_that_a_later_check_compares() {
    let folder = folder().await;
    let log = Log::open(&Config::for_data(folder.path().to_owned())).await.unwrap();
    let mut out = Vec::new();
    let head = log.export(&mut out).await.unwrap().unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    assert_eq!((of("key"), of("event"), of("batch"), lines.len()), (1, 10, 3, 14));
    assert_eq!(lines[13]["n"], 10, "what is not sealed stands last");
    assert_eq!(Known::find_in(&text), Some(Known::Head(head)));
    assert_eq!(log.check(Known::find_in(&text)).await.unwrap().faults, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_beside_a_running_server_changes_nothing_and_needs_its_secret() {
    let (stage, _, _) = crate::stage::sealed::alice_and_bob().await;
    stage.run_jobs().await;
    let beside = log(&stage).await;
    assert_eq!(beside.check(None).await.unwrap().faults, []);
    drop(beside);
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(Log::open(&Config::for_data(elsewhere.path().to_owned())).await.is_err());
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
