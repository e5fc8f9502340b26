//! A database whose machine vanishes without a word, while another answers at its address soon after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::stage::postgres::{self, Databases};
use ::stage::{Way, Wire};
use proto::paths;
use server::config::GivenSecret;

use crate::stage::sealed::{MIB, alice_and_bob_at};
use crate::stage::{Parcel, Stage};

/// How long the server has to find its way to the database again: a request's time, a connection's, and room.
const PATIENCE: Duration = Duration::from_secs(60);

/// After how many octets of the database's it vanishes: in greetings, between the sentences of a write, behind the last.
const MOMENTS: [u64; 6] = [0, 60, 150, 300, 600, 1_200];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_vanishes_in_the_middle_of_a_write_keeps_no_other_write_waiting() {
    if let Some(why) = postgres::missing() {
        eprintln!("not run: {why}");
        return;
    }
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    let port: u16 = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    let wire = Wire::to(port).unwrap();
    let through = url.replace(&format!(":{port}/"), &format!(":{}/", wire.port()));
    let stage = Stage::with(|config| {
        config.secrets.database_url = Some(GivenSecret::new(through));
        config.limits.request_seconds = 2;
    })
    .await;
    let (alice, _) = alice_and_bob_at(&stage).await;
    let wire = Arc::new(wire);
    for moment in MOMENTS {
        let parcel = Parcel::new(MIB);
        let request = parcel.begin_request();
        let begin = || alice.post(&stage, paths::UPLOADS, &request);
        wire.hold_after(Way::Down, moment);
        let is_over = Arc::new(AtomicBool::new(false));
        let vanishing = tokio::task::spawn_blocking({
            let (wire, is_over) = (wire.clone(), is_over.clone());
            move || {
                wire.wait_held(PATIENCE, || is_over.load(Ordering::SeqCst)).unwrap();
                wire.freeze();
                wire.release();
            }
        });
        let first = begin().await;
        is_over.store(true, Ordering::SeqCst);
        vanishing.await.unwrap();
        let told = first.status.as_u16();
        assert!(first.status.is_success() || [408, 503].contains(&told), "behind {moment} octets: {first:?}");
        let again = async { while !begin().await.status.is_success() {} };
        let again = tokio::time::timeout(PATIENCE, again).await;
        assert!(again.is_ok(), "no write went on after it vanished behind {moment} octets");
    }
}
