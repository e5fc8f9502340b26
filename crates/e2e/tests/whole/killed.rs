//! kill -9 of the client, then of the server, in the middle of a transfer.

use crate::scene::{Scene, serve};
use stage::{Parcel, sha256_of};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

const PART: u64 = 16 << 20;

#[test]
fn a_killed_client_and_a_killed_server_lose_nothing_and_no_finished_part_is_sent_twice() {
    let (scene, server) = Scene::new(|root| serve(root, 0));
    let port = server.port().unwrap();
    let parcel = Parcel::make(&scene.path("big.bin"), 1 << 30).unwrap();
    let source = scene.text("big.bin");
    let command = ["send", &source, "--no-compress", "--to", &scene.bob.address];

    // The client dies.
    let mut child = scene.alice.start(&command).unwrap();
    wait_for_parts(&mut child, &server.data, 8);
    child.kill().unwrap();
    child.wait().unwrap();
    let after_first = whole_parts(&server.data);
    assert!(after_first < 60, "the first run was not in the middle");

    // The same command goes on, and now the server dies.
    let began = Instant::now();
    let mut child = scene.alice.start(&command).unwrap();
    wait_for_parts(&mut child, &server.data, after_first + 8);
    server.kill().unwrap();
    let server = serve(scene.root.path(), port);
    let done = scene.alice.finish(child, began).unwrap();
    // It finishes by itself when the server is back.
    let done = done.or_step(&scene.alice, &command).unwrap();

    let number = |key: &str| done.sent().unwrap()[key].as_u64().unwrap();
    let body = number("sealed_bytes");
    assert_eq!(number("received_bytes"), body, "a finished part came twice");
    assert_eq!(number("received_parts"), body.div_ceil(PART), "a finished part came twice");
    assert!(number("resumed_parts") >= 8, "the second run did not go on where the first was");

    let file_id = done.sent_id().unwrap();
    let target = scene.text("got.bin");
    scene.bob.wax(&["get", &file_id, "-o", &target]).unwrap();
    assert_eq!(sha256_of(&parcel.path).unwrap(), sha256_of(Path::new(&target)).unwrap());
    drop(server);
}

/// Waits until the server's storage holds that many whole parts, while the client still runs.
fn wait_for_parts(child: &mut Child, data: &Path, wanted: u64) {
    let began = Instant::now();
    while whole_parts(data) < wanted {
        assert!(child.try_wait().unwrap().is_none(), "the client ended before it could be interrupted");
        assert!(began.elapsed() < Duration::from_secs(120), "the transfer does not move");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Files of a part's length below a folder.
fn whole_parts(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => whole_parts(&entry.path()),
            Ok(meta) if meta.len() == PART => 1,
            _ => 0,
        })
        .sum()
}
