//! Ctrl-C in the middle: nothing half-done is left, and the same command goes on.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use crate::gate::{Gate, Way};
use crate::house::{Done, House, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";
const LARGE: usize = 40 << 20;

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

#[test]
fn a_stopped_download_leaves_no_file_and_the_same_command_gets_it_as_the_same_download() {
    let house = House::open();
    let gate = Gate::before(&house);
    let alice = house.member(ALICE);
    let bob = house.settle(house.newcomer_at(BOB, &gate.url()));
    let body = noise(6, LARGE);
    let id = alice.send(&alice.file("large.bin", &body), &bob, &["--downloads", "1"]);
    gate.hold_after(Way::Down, 20 << 20);
    let child = bob.start(["get", &id]);
    gate.wait_until_it_holds();
    interrupt(&child);
    let done = Done::waited(child).failed(10, "stopped; no file was written that is not whole");
    assert!(done.err.contains("hint: run the same command again"), "{}", done.err);
    assert!(bob.names().is_empty(), "{:?}", bob.names());
    gate.open();
    bob.wax(["get", &id], &[]).ok();
    assert!(std::fs::read(bob.work.join("large.bin")).unwrap() == body);
    bob.wax(["get", &id, "-o", "again.bin"], &[]).failed(5, "all allowed downloads of the file are used");
}

#[test]
fn a_stopped_upload_is_listed_and_the_same_command_finishes_it() {
    let house = House::open();
    let gate = Gate::before(&house);
    let bob = house.member(BOB);
    let alice = house.settle(house.newcomer_at(ALICE, &gate.url()));
    let body = noise(7, LARGE);
    let path = alice.file("large.bin", &body);
    let args = ["send", path.to_str().unwrap(), "--to", BOB];
    gate.hold_after(Way::Up, 30 << 20);
    let child = alice.start(args);
    gate.wait_until_it_holds();
    interrupt(&child);
    let done = Done::waited(child).failed(10, "stopped before the server confirmed it");
    assert!(done.err.contains("hint: the same command goes on where it stopped"), "{}", done.err);
    let uploads = alice.wax(["uploads", "--json"], &[]).ok().json();
    assert_eq!(uploads["uploads"].as_array().unwrap().len(), 1, "{uploads}");
    assert!(bob.wax(["ls", "--json"], &[]).ok().json()["files"].as_array().unwrap().is_empty());

    gate.open();
    let sent = alice.wax(args, &["--json".as_ref()]).ok().json();
    let file = &sent["files"][0];
    assert_eq!(file["received_parts"], file["parts"], "a part came twice: {sent}");
    assert!(alice.wax(["uploads", "--json"], &[]).ok().json()["uploads"].as_array().unwrap().is_empty());
    let got = bob.wax(["get", file["id"].as_str().unwrap(), "-o", "-"], &[]).ok();
    assert!(got.bytes == body);
}

#[test]
fn an_unfinished_upload_can_be_cancelled() {
    let house = House::open();
    let gate = Gate::before(&house);
    let _bob = house.member(BOB);
    let alice = house.settle(house.newcomer_at(ALICE, &gate.url()));
    let path = alice.file("large.bin", &noise(8, LARGE));
    gate.hold_after(Way::Up, 20 << 20);
    let child = alice.start(["send", path.to_str().unwrap(), "--to", BOB]);
    gate.wait_until_it_holds();
    interrupt(&child);
    Done::waited(child).failed(10, "stopped");
    gate.open();
    let uploads = alice.wax(["uploads", "--json"], &[]).ok().json();
    let id = uploads["uploads"][0]["id"].as_str().unwrap().to_owned();
    assert!(alice.wax(["uploads"], &[]).ok().out().contains(&id));
    let cancelled = alice.wax(["uploads", "cancel", &id[..8], "--json"], &[]).ok().json();
    assert_eq!(cancelled["cancelled"][0], id.as_str());
    assert!(alice.wax(["uploads", "--json"], &[]).ok().json()["uploads"].as_array().unwrap().is_empty());
    assert_eq!(alice.wax(["whoami", "--json"], &[]).ok().json()["used_bytes"], 0);
}

#[test]
fn one_upload_that_cannot_be_cancelled_keeps_no_other_from_it() {
    let house = House::open();
    let gate = Gate::before(&house);
    let _bob = house.member(BOB);
    let alice = house.settle(house.newcomer_at(ALICE, &gate.url()));
    let begin = |name: &str, seed| {
        let path = alice.file(name, &noise(seed, LARGE));
        gate.hold_after(Way::Up, 20 << 20);
        let child = alice.start(["send", path.to_str().unwrap(), "--to", BOB]);
        gate.wait_until_it_holds();
        child
    };
    let begun = || alice.wax(["uploads", "--json"], &[]).ok().json();
    let stopped = begin("stopped.bin", 10);
    interrupt(&stopped);
    Done::waited(stopped).failed(10, "stopped");
    gate.open();
    // This one still runs, as a process that does nothing for a while.
    let mut running = begin("running.bin", 11);
    // The gate may have held both connections of the first, and told of the second now.
    while begun()["uploads"].as_array().unwrap().len() < 2 {
        gate.wait_until_it_holds();
    }
    kill_process(Pid::from_child(&running), Signal::STOP).unwrap();
    gate.open();
    let uploads = begun();
    let id_of = |is_running: bool| {
        let found = uploads["uploads"].as_array().unwrap().iter().find(|one| one["running"] == is_running);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (stopped, running_id) = (id_of(false), id_of(true));
    let done = alice.wax(["uploads", "cancel", &running_id, &stopped, "--json"], &[]).failed(9, &running_id);
    let told = done.json();
    assert_eq!(told["error"]["cancelled"], serde_json::json!([stopped]), "{told}");
    assert_eq!(told["error"]["failed"], serde_json::json!([running_id]), "{told}");
    let left = alice.wax(["uploads", "--json"], &[]).ok().json();
    assert_eq!(left["uploads"].as_array().unwrap().len(), 1, "{left}");
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn a_source_that_never_ends_can_be_stopped() {
    let house = House::open();
    let gate = Gate::before(&house);
    let _bob = house.member(BOB);
    let alice = house.settle(house.newcomer_at(ALICE, &gate.url()));
    let mut command =
        alice.command(["send", "-", "--to", BOB, "--name", "endless", "--no-agent", "--passphrase-fd", "3"]);
    // Whatever else of this size passes, a part is among it, so the upload runs.
    gate.hold_after(Way::Up, 1 << 20);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut source = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        use std::io::Write;
        let piece = noise(9, 1 << 20);
        while source.write_all(&piece).is_ok() {}
    });
    gate.wait_until_it_holds();
    interrupt(&child);
    // What is already on its way to the server may be taken back through the gate.
    gate.open();
    Done::waited(child).failed(10, "stopped before the server confirmed it").failed(10, "cannot be resumed");
    feeder.join().unwrap();
}
