//! Measured, not asserted: run with `--run-ignored only --no-capture` when a figure is wanted.

use crate::stage::{Stage, Told, noise};
use client::{Cancel, ClientOptions, Compress, OnConflict, SendRequest, Target};
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures and asserts none; some hundred megabytes on disk"]
async fn what_compression_saves_and_costs() {
    let stage = Stage::new().await;
    let default = ClientOptions::default();
    let alice = stage.person_with("alice", default.clone()).await;
    let bob = stage.person_with("bob", default).await;
    let words = b"a harbour, a heron, a lantern and a rope; ".repeat(1_600_000);
    let digits =
        noise(32 << 20, 1).iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect::<Vec<_>>();
    for (what, content) in [("words", words), ("digits of noise", digits), ("noise", noise(64 << 20, 2))] {
        let path = alice.file("source", &content);
        for compress in [Compress::Never, Compress::Auto] {
            let request = SendRequest { compress, ..SendRequest::file(&path, vec![bob.address.clone()]) };
            let start = Instant::now();
            let sent =
                alice.client.send(&alice.keys, request, &Told::default(), &Cancel::new()).await.unwrap();
            println!(
                "{what}, {compress:?}: {:.1} MB become {:.1} MB sealed in {:.2} s",
                sent.bytes as f64 / 1e6,
                sent.body_len as f64 / 1e6,
                start.elapsed().as_secs_f64()
            );
        }
    }
}
