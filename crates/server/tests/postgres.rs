//! A server on PostgreSQL: moved there from SQLite, cut off from it, and refused by it.

use ::stage::postgres::{self, Databases};
use proto::{Code, FilePage, paths};
use reqwest::StatusCode;
use server::admin::Migrate;
use server::audit::Log;
use server::config::GivenSecret;
use server::{Config, Seams, Server, StartError};

use crate::stage::sealed::MIB;
use crate::stage::{Parcel, Person, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn people_of_a_sqlite_server_go_on_in_postgresql_after_a_move() {
    if let Some(why) = postgres::missing() {
        eprintln!("not run: {why}");
        return;
    }
    let mut stage = Stage::with(|config| config.secrets.database_url = None).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let bob = Person::with_bundle(&stage, "bob@wax.example").await;
    let (done, open) = (Parcel::new(2 * MIB + 1_000), Parcel::new(2 * MIB));
    done.send(&stage, &alice, &[&bob]).await;
    open.begin(&stage, &alice).await;
    assert_eq!(open.put(&stage, &alice, 0).await.status, StatusCode::OK);
    stage.later(60);
    stage.run_jobs().await;
    stage.running.take().unwrap().shutdown().await;
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    let mut config = Config::for_data(stage.data.path().join("data"));
    let moved = Migrate::new(&config, Some(url.clone())).unwrap().run().await.unwrap();
    let rows = |name| moved.iter().find(|table| table.name == name).unwrap().rows;
    assert_eq!((rows("accounts"), rows("grants"), rows("parts")), (2, 2, 4));
    // Nobody goes on with the old one by mistake.
    let old = Server::start(config.clone()).await.map(|_| ());
    assert!(matches!(old, Err(StartError::Database(db::DbError::Moved))), "{old:?}");
    config.secrets.database_url = Some(GivenSecret::new(url));
    let seams = Seams { clock: Some(stage.clock.clone()), ..Seams::default() };
    let seams = Seams { mailer: Some(std::sync::Arc::new(stage.mail.clone())), ..seams };
    let running = Server::start_with(config.clone(), seams).await.unwrap();
    stage.url = running.url();
    stage.running = Some(running);
    // The same sessions, files, tickets and uploads.
    let page: FilePage = bob.get(&stage, paths::FILES).await.json();
    assert_eq!(page.files.len(), 1);
    let ticket = done.ticket(&stage, &bob).await;
    let path = paths::fill(paths::CONTENT, &[&done.file_id, &0]);
    assert_eq!(done.content(&stage, &ticket, &path, None).await.status, StatusCode::OK);
    open.put_all(&stage, &alice).await;
    let request = open.complete_request(&alice, &[&bob]);
    assert_eq!(open.complete(&stage, &alice, &request).await.status, StatusCode::OK);
    // The same log goes on.
    stage.later(60);
    stage.run_jobs().await;
    let log = Log::open(&config).await.unwrap();
    let findings = log.check(None).await.unwrap();
    assert!(findings.faults.is_empty() && findings.batches >= 2, "{findings:?}");
    log.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_said_and_everything_goes_on_when_it_is_back() {
    if let Some(why) = postgres::missing() {
        eprintln!("not run: {why}");
        return;
    }
    let mut cluster = ::stage::Postgres::start().unwrap();
    let url = cluster.database().unwrap();
    let stage = Stage::with(|config| config.secrets.database_url = Some(GivenSecret::new(url))).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    assert_eq!(parcel.put(&stage, &alice, 0).await.status, StatusCode::OK);
    cluster.crash().unwrap();
    let unready = stage.get(paths::READY).await;
    assert_eq!(unready.code(), Code::Unavailable);
    let refused = [parcel.put(&stage, &alice, 1).await, alice.get(&stage, paths::WHOAMI).await];
    for reply in refused {
        let problem = reply.refusal();
        assert_eq!(problem.code, Code::Unavailable);
        assert!(problem.retry_after.is_some());
    }
    cluster.go().unwrap();
    assert_eq!(stage.get(paths::READY).await.status, StatusCode::OK);
    parcel.put_all(&stage, &alice).await;
    let request = parcel.complete_request(&alice, &[]);
    assert_eq!(parcel.complete(&stage, &alice, &request).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_other_keys_than_its_database_does_not_start() {
    let mut stage = Stage::with(|config| config.secrets.database_url = None).await;
    Person::new(&stage, "alice@wax.example").await;
    stage.running.take().unwrap().shutdown().await;
    let config = Config::for_data(stage.data.path().join("data"));
    let mut other = config.clone();
    other.secrets.secret_key = Some(GivenSecret::new("another server's key, long enough".into()));
    let started = Server::start(other).await.map(|_| ());
    assert!(matches!(started, Err(StartError::OtherKeys)), "{started:?}");
    Server::start(config).await.unwrap().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_two_machines_need_the_same_keys() {
    if let Some(why) = postgres::missing() {
        eprintln!("not run: {why}");
        return;
    }
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    let named = |folder: &std::path::Path| {
        let mut config = Config::for_data(folder.to_owned());
        config.secrets.database_url = Some(GivenSecret::new(url.clone()));
        config
    };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = Server::start(named(one.path())).await.unwrap();
    let other = Server::start(named(two.path())).await.map(|_| ());
    assert!(matches!(other, Err(StartError::OtherKeys)), "{other:?}");
    for name in ["secret_key", "jwt_secret"] {
        let name = std::path::Path::new("secrets").join(name);
        std::fs::copy(one.path().join(&name), two.path().join(&name)).unwrap();
    }
    Server::start(named(two.path())).await.unwrap().shutdown().await;
    running.shutdown().await;
}
