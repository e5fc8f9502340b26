//! Backups beside a running server, and what a restore refuses.

use std::path::{Path, PathBuf};

use db::{Database as _, Job, Jobs as _, Lease, Sqlite, UnixTime};
use proto::paths;
use reqwest::StatusCode;
use server::Config;
use server::admin::{AdminError, Backup, BackupOptions, BackupReport, Restore, RestoreReport};

use super::config;
use crate::stage::sealed::{MIB, alice_and_bob};
use crate::stage::server::files_below;
use crate::stage::{Parcel, Stage};

fn safe(stage: &Stage) -> PathBuf {
    stage.data.path().join("safe")
}

async fn run(stage: &Stage, options: &BackupOptions) -> Result<(BackupReport, usize), AdminError> {
    let backup = Backup::open(&config(stage)).await.unwrap().with_clock(stage.clock.clone());
    let mut damaged = 0;
    let outcome = backup.run(options, |_| damaged += 1).await;
    backup.close().await;
    outcome.map(|report| (report, damaged))
}

fn options(to: &Path) -> BackupOptions {
    BackupOptions { to: to.to_owned(), with_secrets: true, reread: false }
}

async fn back_up(stage: &Stage) -> BackupReport {
    run(stage, &options(&safe(stage))).await.unwrap().0
}

async fn restore_to(stage: &Stage, name: &str, accept_damage: bool) -> Result<RestoreReport, AdminError> {
    let restore = Restore { from: safe(stage), secrets: None, accept_damage };
    restore.run(&Config::for_data(stage.data.path().join(name)), |_| {}).await
}

/// The folder of the one run of a backup.
fn the_run(stage: &Stage) -> PathBuf {
    let mut runs = std::fs::read_dir(safe(stage)).unwrap().map(|entry| entry.unwrap().path());
    let is_run = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("run-");
    let run = runs.find(is_run).unwrap();
    assert!(!runs.any(|path| is_run(&path)), "older runs go away");
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn each_blob_is_copied_once_and_goes_when_its_file_has_gone() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (stays, goes) = (Parcel::new(MIB + 1_000), Parcel::new(MIB + 2_000));
    stays.send(&stage, &alice, &[&bob]).await;
    let mut request = goes.complete_request(&alice, &[]);
    request.expires_in = 60;
    goes.send_as(&stage, &alice, &request).await;
    let first = back_up(&stage).await;
    assert_eq!((first.files, first.blobs, first.copied_blobs, first.removed_blobs), (2, 6, 6, 0));
    assert!(first.secret_files >= 2 && !first.secret_key_elsewhere);
    let again = back_up(&stage).await;
    assert_eq!((again.blobs, again.copied_blobs, again.copied_bytes), (6, 0, 0), "nothing is copied twice");
    stage.later(60);
    stage.run_jobs().await;
    let third = back_up(&stage).await;
    assert_eq!((third.files, third.blobs, third.removed_blobs), (1, 3, 3), "what expired lives on nowhere");
    assert_eq!(files_below(&safe(&stage).join("blobs")), 3);
    the_run(&stage);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_wait_out_a_backup_that_runs() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(MIB + 1_000);
    let mut request = parcel.complete_request(&alice, &[&bob]);
    request.expires_in = 60;
    parcel.send_as(&stage, &alice, &request).await;
    let db = Sqlite::open(stage.data.path().join("data/waxwing.db")).await.unwrap();
    let now = UnixTime(stage.now());
    let token = db.take_lease(Job::Backup, "a copy", now, 300).await.unwrap().unwrap();
    assert!(matches!(run(&stage, &options(&safe(&stage))).await, Err(AdminError::BackupRuns)));
    stage.later(60);
    let report = stage.run_jobs().await;
    assert_eq!((report.expired_files, report.deleted_blobs), (1, 0));
    assert_eq!(stage.stored_files(), 3);
    let upkeep = super::upkeep(&stage).await;
    assert_eq!(upkeep.gc().await.unwrap().waiting_blobs, 3);
    upkeep.close().await;
    db.release_lease(&Lease { job: Job::Backup, token }).await.unwrap();
    assert_eq!(stage.run_jobs().await.deleted_blobs, 3);
    // And one that was cut off holds nothing up for ever.
    db.take_lease(Job::Backup, "a copy", UnixTime(stage.now()), 300).await.unwrap().unwrap();
    stage.later(300);
    assert_eq!(back_up(&stage).await.files, 0);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_piece_takes_the_place_of_no_sound_copy_and_is_named_where_there_is_none() {
    let (stage, alice, _) = alice_and_bob().await;
    let (known, new) = (Parcel::new(1_000), Parcel::new(2_000));
    known.send(&stage, &alice, &[]).await;
    back_up(&stage).await;
    new.send(&stage, &alice, &[]).await;
    for blob in blobs(&stage.data.path().join("data/blobs")) {
        let mut bytes = std::fs::read(&blob).unwrap();
        bytes[500] ^= 1;
        std::fs::write(&blob, bytes).unwrap();
    }
    let (report, named) = run(&stage, &options(&safe(&stage))).await.unwrap();
    assert_eq!((report.damaged, named, report.copied_blobs), (1, 1, 0));
    let kept = std::fs::read(&blobs(&safe(&stage).join("blobs"))[0]).unwrap();
    assert!(kept == known.body, "the sound copy stays");
    // Reading again finds a copy that decayed, and has no sound one to put in its place.
    for blob in blobs(&safe(&stage).join("blobs")) {
        std::fs::write(blob, vec![0; 1_000]).unwrap();
    }
    let reread = BackupOptions { reread: true, ..options(&safe(&stage)) };
    assert_eq!(run(&stage, &reread).await.unwrap().0.damaged, 2);
    let refused = restore_to(&stage, "restored", false).await;
    assert!(matches!(refused, Err(AdminError::Damage(2))), "{refused:?}");
    assert_eq!(files_below(&stage.data.path().join("restored")), 0, "nothing is left of it");
    let restored = restore_to(&stage, "restored", true).await.unwrap();
    assert_eq!((restored.files, restored.damaged), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_has_everything_but_the_sessions() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (done, half) = (Parcel::new(MIB + 1_000), Parcel::new(2 * MIB));
    done.send(&stage, &alice, &[&bob]).await;
    half.begin(&stage, &alice).await;
    half.put(&stage, &alice, 0).await;
    stage.run_jobs().await;
    let report = back_up(&stage).await;
    assert_eq!((report.files, report.blobs), (2, 4));
    let restored = restore_to(&stage, "data 2", false).await.unwrap();
    assert_eq!((restored.files, restored.sessions, restored.damaged), (2, 2, 0));
    let mut second = Stage::over(&stage, "data 2").await;
    assert_eq!(alice.get(&second, paths::WHOAMI).await.status, StatusCode::UNAUTHORIZED);
    let alice = crate::stage::Person {
        token: second.sign_in(&alice.address).await.access_token.expose_secret().to_owned(),
        ..alice
    };
    let bob_token = second.sign_in(&bob.address).await.access_token.expose_secret().to_owned();
    let bob = crate::stage::Person { token: bob_token, ..bob };
    let ticket = done.ticket(&second, &bob).await;
    for n in 0..done.part_count() {
        let path = paths::fill(paths::CONTENT, &[&done.file_id, &n]);
        assert_eq!(done.content(&second, &ticket, &path, None).await.body, done.part(n));
    }
    // An upload that was under way goes on with the parts that were there.
    half.put(&second, &alice, 1).await;
    let request = half.complete_request(&alice, &[&bob]);
    assert_eq!(half.complete(&second, &alice, &request).await.status, StatusCode::OK);
    second.running.take().unwrap().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_own_secret_a_backup_is_not_restored() {
    let (stage, alice, _) = alice_and_bob().await;
    Parcel::new(1_000).send(&stage, &alice, &[]).await;
    let bare = BackupOptions { with_secrets: false, ..options(&safe(&stage)) };
    let (report, _) = run(&stage, &bare).await.unwrap();
    assert_eq!(report.secret_files, 0);
    assert_eq!(files_below(&the_run(&stage)), 1, "the database alone");
    let refused = restore_to(&stage, "restored", false).await;
    assert!(matches!(refused, Err(AdminError::SecretsNeeded)), "{refused:?}");
    let target = Config::for_data(stage.data.path().join("restored"));
    let with = async |secrets: PathBuf| {
        Restore { from: safe(&stage), secrets: Some(secrets), accept_damage: false }
            .run(&target, |_| {})
            .await
    };
    let other = stage.data.path().join("other secrets");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("secret_key"), "0".repeat(64)).unwrap();
    assert!(matches!(with(other).await, Err(AdminError::OtherSecrets)));
    assert!(!target.storage.data.exists(), "nothing was made");
    with(stage.data.path().join("data/secrets")).await.unwrap();
    assert!(target.storage.data.join("secrets/secret_key").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_changed_is_not_restored() {
    let (stage, alice, _) = alice_and_bob().await;
    Parcel::new(1_000).send(&stage, &alice, &[]).await;
    back_up(&stage).await;
    let run = the_run(&stage);
    for name in ["waxwing.db", "secrets/jwt_secret"] {
        let good = std::fs::read(run.join(name)).unwrap();
        let mut altered = good.clone();
        *altered.last_mut().unwrap() ^= 1;
        std::fs::write(run.join(name), altered).unwrap();
        let refused = restore_to(&stage, "restored", true).await;
        assert!(matches!(refused, Err(AdminError::Altered(_))), "{name}: {refused:?}");
        assert_eq!(files_below(&stage.data.path().join("restored")), 0);
        std::fs::write(run.join(name), good).unwrap();
    }
    let occupied = stage.data.path().join("restored/somebody's");
    std::fs::write(&occupied, b"own file").unwrap();
    let refused = restore_to(&stage, "restored", false).await;
    assert!(matches!(refused, Err(AdminError::NotEmpty(_))), "{refused:?}");
    assert_eq!(std::fs::read(&occupied).unwrap(), b"own file");
    std::fs::remove_file(occupied).unwrap();
    restore_to(&stage, "restored", false).await.unwrap();
    std::fs::write(safe(&stage).join("backup.json"), "{}").unwrap();
    let refused = restore_to(&stage, "another", false).await;
    assert!(matches!(refused, Err(AdminError::Manifest { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_written_neither_into_the_data_folder_nor_over_anything_else() {
    let (stage, alice, _) = alice_and_bob().await;
    Parcel::new(1_000).send(&stage, &alice, &[]).await;
    let data = stage.data.path().join("data");
    for inside in [data.join("backup"), data.join("blobs"), data.clone(), stage.data.path().to_owned()] {
        let refused = run(&stage, &options(&inside)).await;
        assert!(matches!(refused, Err(AdminError::Inside(_))), "{refused:?}");
    }
    assert!(!data.join("backup").exists());
    let occupied = stage.data.path().join("occupied");
    std::fs::create_dir(&occupied).unwrap();
    std::fs::write(occupied.join("letter"), b"own file").unwrap();
    let refused = run(&stage, &options(&occupied)).await;
    assert!(matches!(refused, Err(AdminError::NotEmpty(_))), "{refused:?}");
    let (other, _, _) = alice_and_bob().await;
    back_up(&other).await;
    let refused = run(&stage, &options(&safe(&other))).await;
    assert!(matches!(refused, Err(AdminError::OtherServer(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_no_address_and_no_key_of_anybody_in_clear() {
    let (stage, alice, bob) = alice_and_bob().await;
    Parcel::new(1_000).send(&stage, &alice, &[&bob]).await;
    let bare = BackupOptions { with_secrets: false, ..options(&safe(&stage)) };
    run(&stage, &bare).await.unwrap();
    let secret = std::fs::read(stage.data.path().join("data/secrets/secret_key")).unwrap();
    let mut needles: Vec<&[u8]> = vec![alice.address.as_bytes(), bob.address.as_bytes(), &secret];
    let planted = safe(&stage).join("planted");
    std::fs::write(&planted, [b"x", alice.address.as_bytes()].concat()).unwrap();
    let found = |needle: &[u8]| {
        blobs(&safe(&stage))
            .iter()
            .any(|path| std::fs::read(path).unwrap().windows(needle.len()).any(|bytes| bytes == needle))
    };
    assert!(found(alice.address.as_bytes()), "the search finds a planted copy");
    std::fs::remove_file(planted).unwrap();
    needles.retain(|needle| found(needle));
    assert!(needles.is_empty());
}

/// Files below a folder.
fn blobs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(blobs(&path)) } else { found.push(path) }
    }
    found
}
