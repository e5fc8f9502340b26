//! `waxd admin blobs move` as an operator types it: from the folder into an S3 store, killed in the middle, and to its end.

use crate::operator::{blobs, command, lines, words};
use crate::outgrown::{fetch, send};
use crate::scene::{Scene, example, executable};
use e2e::store::{BUCKET, ID, SECRET};
use serde_json::Value;
use stage::{Parcel, Server, ServerOptions, Wire};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const FILES: usize = 8;

/// An S3 store as a process of its own, over a folder that is gone at the end.
struct Store {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Store {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(example("s3-store"));
        command.args(["store", "--listen", "127.0.0.1:0"]).arg(folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let port = ready.trim().rsplit_once(':').unwrap().1.parse().unwrap();
        Self { child, port, _folder: folder }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A server that keeps new parts in its folder and knows an S3 store, at the other end of a wire.
struct Ground {
    server: Server,
    scene: Scene,
    env: Vec<(String, OsString)>,
    wire: Wire,
    _store: Store,
}

impl Ground {
    fn new() -> Self {
        let store = Store::start();
        let wire = Wire::to(store.port).unwrap();
        let env = env(&wire);
        let (scene, server) = Scene::new(|root| serve(root, &env));
        Self { server, scene, env, wire, _store: store }
    }

    fn send(&self, name: &str) -> (Parcel, String) {
        send(&self.scene, name)
    }

    #[track_caller]
    fn opens(&self, (parcel, file_id): &(Parcel, String)) {
        fetch(&self.scene.bob, file_id, parcel, &self.scene.text("got.bin"));
    }

    /// `waxd admin blobs move --from local --to STORE …`, not started yet.
    fn moving(&self, to: &str, more: &[&str]) -> Command {
        let args = [&["blobs", "move", "--from", "local", "--to", to][..], more].concat();
        let mut command = command(&self.server.data, &args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Everything in the folder of the local store.
    fn local(&self) -> Vec<PathBuf> {
        blobs(&self.server.data.join("blobs"))
    }
}

/// The store, for the server and for its operator alike.
fn env(wire: &Wire) -> Vec<(String, OsString)> {
    let endpoint = format!("http://127.0.0.1:{}", wire.port());
    let set = [
        ("S3_BUCKET", BUCKET),
        ("S3_REGION", "us-east-1"),
        ("S3_ENDPOINT", &endpoint),
        // Clients speak HTTPS alone, and this store does not.
        ("S3_DIRECT", "false"),
        ("AWS_ACCESS_KEY_ID", ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    set.map(|(name, value)| (name.to_owned(), value.into())).into()
}

fn serve(root: &Path, env: &[(String, OsString)]) -> Server {
    let (data, logs) = (root.join("server"), root.join("logs"));
    let waxd = executable("waxd");
    let options = ServerOptions { waxd: &waxd, data: &data, logs: &logs, port: 0, quiet: false, more: &[] };
    Server::start_in(&options, env).unwrap()
}

#[track_caller]
fn number(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("no {key} in {line}"))
}

#[test]
fn a_move_that_is_killed_in_the_middle_is_gone_on_with_and_every_file_opens_all_the_while() {
    let ground = Ground::new();
    let files: Vec<_> = (0..FILES).map(|n| ground.send(&format!("{n}.bin"))).collect();
    files.iter().for_each(|file| ground.opens(file));

    // 64 KiB in 25 ms: a file takes at least as long as it takes until progress is told, and all of them many times that.
    ground.wire.slow_down(Duration::from_millis(25));
    let mut moving = ground.moving("s3", &["--json"]);
    let mut child = moving.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = said.next().expect("it ended without a word").unwrap();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9), "it had ended before: {first}");
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["type"], "progress", "{first}");
    assert!(number(&first, "moved") >= 1 && number(&first, "bytes") >= 1, "{first}");
    ground.wire.slow_down(Duration::ZERO);

    let refused = words(&ground.moving("s3", &["--json"]).output().unwrap(), 2);
    assert!(refused.contains("--take-over"), "the killed one may still be at work: {refused}");
    files.iter().for_each(|file| ground.opens(file));

    let told = lines(&ground.moving("s3", &["--json", "--take-over"]).output().unwrap(), 0);
    let total = told.last().unwrap();
    assert_eq!(total["type"], "total", "{total}");
    assert_eq!((number(total, "files"), number(total, "damaged")), (FILES as u64, 0), "{total}");
    assert_eq!(number(total, "ended"), 0, "{total}");
    assert!(number(total, "moved") >= 1, "the first run was not in the middle: {total}");
    assert!(number(total, "bytes") >= number(total, "moved"), "{total}");
    let again = lines(&ground.moving("s3", &["--json"]).output().unwrap(), 0);
    assert_eq!((again.len(), number(&again[0], "moved")), (1, 0), "something was left: {again:?}");

    // Where they were they stay for a while; nobody needs them there.
    let left_behind = ground.local();
    assert!(left_behind.len() >= FILES, "{left_behind:?}");
    left_behind.iter().for_each(|blob| std::fs::remove_file(blob).unwrap());
    files.iter().for_each(|file| ground.opens(file));
}

#[test]
fn a_move_tells_what_is_damaged_by_exit_code_1_and_what_cannot_be_done_by_2() {
    let ground = Ground::new();
    let sound = ground.send("sound.bin");
    let before = ground.local();
    let (_, lost_id) = ground.send("lost.bin");
    let of_lost = ground.local().into_iter().filter(|blob| !before.contains(blob));
    // The largest is the part.
    let part = of_lost.max_by_key(|blob| blob.metadata().unwrap().len()).unwrap();
    std::fs::remove_file(part).unwrap();

    for (to, why) in [("local", "blobs of the store local are in the store local"), ("ipfs", "ipfs")] {
        let said = words(&ground.moving(to, &[]).output().unwrap(), 2);
        assert!(said.contains(why), "{said}");
    }
    let told = lines(&ground.moving("s3", &["--json"]).output().unwrap(), 1);
    let (total, found) = told.split_last().unwrap();
    assert_eq!((number(total, "files"), number(total, "damaged")), (2, 1), "{total}");
    // A pass that moved something is followed by another one, which finds it again.
    let found: Vec<_> = found.iter().filter(|line| line["type"] == "damaged").collect();
    assert!(!found.is_empty(), "{told:?}");
    for line in found {
        assert_eq!((&line["file"], &line["part"]), (&lost_id.as_str().into(), &0.into()), "{line}");
        assert_eq!(line["damage"], "missing", "{line}");
    }
    let said = words(&ground.moving("s3", &[]).output().unwrap(), 1);
    assert!(said.contains("1 pieces are damaged or missing and stay where they are"), "{said}");
    ground.opens(&sound);
}
