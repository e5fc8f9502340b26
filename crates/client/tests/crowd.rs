//! Many at once.

use crate::stage::{Person, Stage, noise};
use client::{FileId, SendRequest};
use futures::stream::{self, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many transfers run at once; more in the long form.
fn crowd() -> usize {
    std::env::var("WAXWING_CROWD").map_or(150, |n| n.parse().expect("a number of transfers"))
}

/// Two parts each, so that places change hands in the middle of a transfer.
const LEN: usize = (1 << 20) + 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_larger_than_the_servers_places_loses_no_file_and_the_server_stays_ready() {
    let stage = Stage::with(|config| {
        config.limits.parts_at_once = 8;
        config.limits.uploads = 100_000;
    })
    .await;
    let bob = stage.person("bob").await;
    let mut senders: Vec<Arc<Person>> = Vec::new();
    for n in 0..10 {
        senders.push(Arc::new(stage.person(&format!("sender{n}")).await));
    }
    let over = Arc::new(AtomicBool::new(false));
    let watch = tokio::spawn({
        let (http, url, over) = (plain_client(&stage), format!("{}/health/ready", stage.url()), over.clone());
        async move {
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) {
                assert!(http.get(&url).send().await.unwrap().status().is_success(), "not ready");
                asked += 1;
                tokio::task::yield_now().await;
            }
            asked
        }
    });
    let all = crowd();
    let transfers = (0..all).map(|n| {
        let (sender, to) = (senders[n % senders.len()].clone(), bob.address.clone());
        async move {
            let path = sender.file(&format!("crowd {n}"), &noise(LEN, n as u64));
            (n, sender.send_request(SendRequest::file(path, vec![to])).await.unwrap().file_id)
        }
    });
    let sent: Vec<(usize, FileId)> = stream::iter(transfers).buffer_unordered(all).collect().await;
    over.store(true, Ordering::Relaxed);
    assert!(watch.await.unwrap() > 0);
    assert_eq!(sent.len(), all);
    for (n, file_id) in sent {
        let got = bob.receive(file_id).await.unwrap().path.unwrap();
        assert!(std::fs::read(got).unwrap() == noise(LEN, n as u64), "{n}");
    }
}

fn plain_client(stage: &Stage) -> reqwest::Client {
    // Only the first of a process succeeds, which is all that is needed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ca = reqwest::Certificate::from_pem(stage.ca().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).build().unwrap()
}
