//! `waxd admin audit`: exit codes and words.

use std::path::Path;
use std::process::{Command, Output};

use db::{Audit as _, Database as _, NewEvent, Sqlite, UnixTime};
use envelope::audit::Kind;
use envelope::{EventId, UserId};
use server::{Config, Server};
use sqlx::Connection as _;
use tempfile::TempDir;

/// A folder with one batch of four events.
async fn folder() -> TempDir {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let db = Sqlite::open(folder.path().join("waxwing.db")).await.unwrap();
    let events = [1_u8, 2, 3, 4].map(|n| NewEvent {
        id: EventId::from_bytes([n; 16]),
        at: UnixTime(1_800_000_000),
        kind: Kind::SignedIn,
        actor: UserId::from_bytes([1; 16]),
        owner: None,
        file_id: None,
        other: None,
        sealed: Vec::new(),
    });
    db.append_events(&events).await.unwrap();
    db.close().await;
    let running = Server::start(Config::for_data(folder.path().to_owned())).await.unwrap();
    running.run_jobs().await.unwrap();
    running.shutdown().await;
    folder
}

fn waxd(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waxd"));
    // Elsewhere, so that no `.env` of whoever runs the tests is read.
    command.current_dir(folder).args(["admin", "audit"]).args(args).arg("--data").arg(folder);
    command.env_remove("SECRET_KEY").env_remove("SECRET_KEY_FILE").output().unwrap()
}

fn words(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

async fn tamper(folder: &Path, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("waxwing.db"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_tells_a_sound_log_from_one_that_was_changed_or_cut() {
    let folder = folder().await;
    let (code, said) = words(&waxd(folder.path(), &["verify"]));
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("events   4 sealed, 0 not sealed yet") && said.contains("as it was sealed"),
        "{said}"
    );
    assert!(said.contains("is not seen without --head"), "{said}");
    let export = folder.path().join("before.jsonl");
    let export = export.to_str().unwrap();
    assert_eq!(words(&waxd(folder.path(), &["export", "--out", export])).0, Some(0));
    assert_eq!(
        words(&waxd(folder.path(), &["export", "--out", export])).0,
        Some(2),
        "nothing is overwritten"
    );
    let (code, said) = words(&waxd(folder.path(), &["verify", "--head", export]));
    assert!(code == Some(0) && !said.contains("note:"), "{said}");
    tamper(
        folder.path(),
        "DROP TRIGGER audit_events_are_final; UPDATE audit_events SET at = at + 60 WHERE n = 2;",
    )
    .await;
    let (code, said) = words(&waxd(folder.path(), &["verify"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("broken   event 2 (02020202-"), "{said}");
    let json: serde_json::Value =
        serde_json::from_slice(&waxd(folder.path(), &["verify", "--json"]).stdout).unwrap();
    assert_eq!((&json["ok"], json["faults"].as_array().unwrap().len()), (&false.into(), 1));
    tamper(
        folder.path(),
        "DROP TRIGGER audit_events_stay; DROP TRIGGER audit_batches_stay;
         DELETE FROM audit_batches; DELETE FROM audit_events;",
    )
    .await;
    assert_eq!(words(&waxd(folder.path(), &["verify"])).0, Some(0), "an empty log is sound in itself");
    let (code, said) = words(&waxd(folder.path(), &["verify", "--head", export]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the end of the log was cut"), "{said}");
}

#[test]
fn what_cannot_be_checked_is_neither_good_nor_broken() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = words(&waxd(folder.path(), &["verify"]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the server's secret cannot be read"), "{said}");
    let (code, said) = words(&waxd(folder.path(), &["verify", "--head", "no-such-file"]));
    assert!(code == Some(2) && said.contains("neither a head nor a file"), "{said}");
}
