//! Measured, not asserted: run with `--run-ignored only --no-capture` when a figure is wanted.

use crate::stage::{Stage, Told};
use client::{Cancel, ClientOptions, OnConflict, SendRequest, Target};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures and asserts none; a gibibyte on disk"]
async fn a_gibibyte_there_and_back() {
    let stage = Stage::new().await;
    let default = ClientOptions::default();
    let alice = stage.person_with("alice", default.clone()).await;
    let bob = stage.person_with("bob", default).await;
    let path = alice.folder.join("gib");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    for round in 0..3 {
        let request = SendRequest {
            name: Some(format!("round {round}")),
            ..SendRequest::file(&path, vec![bob.address.clone()])
        };
        let start = Instant::now();
        let sent = alice.client.send(&alice.keys, request, &Told::default(), &Cancel::new()).await.unwrap();
        let rate = |from: Instant| 1_073.7 / from.elapsed().as_secs_f64();
        println!("send {:.0} MB/s", rate(start));
        let start = Instant::now();
        let target = Target::Directory { path: bob.folder.clone(), on_conflict: OnConflict::Replace };
        bob.receive_into(sent.file_id, target).await.unwrap();
        println!("receive to disk {:.0} MB/s", rate(start));
        let start = Instant::now();
        bob.receive_into(sent.file_id, Target::Writer(Box::new(std::io::sink()))).await.unwrap();
        println!("receive to nowhere {:.0} MB/s", rate(start));
    }
}
