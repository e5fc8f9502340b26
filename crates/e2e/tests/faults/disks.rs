//! Disks that are full or may not be written to for a while, at either end.

use crate::checks;
use crate::ground::{Ground, Running};
use crate::random::PATIENCE;
use stage::{Cut, Parcel, Waited, Way, sha256_of};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What `wax` ends with when the server refuses for want of room.
const REFUSED: i32 = 6;
/// What it ends with when a file here cannot be written.
const LOCAL_FILE: i32 = 9;

#[test]
fn a_server_whose_disk_is_full_refuses_and_the_same_command_goes_on_when_there_is_room() {
    let Some(disk) = Disk::small() else { return };
    let ground = Ground::with(&["--blobs", disk.path().to_str().unwrap()]);
    let (parcel, running) = half_sent(&ground);
    disk.fill();
    ground.alice_wire.release();
    let refused = running.end();
    assert_eq!(refused.status.code(), Some(REFUSED), "{}", refused.said);
    checks::bob_sees(&ground, &[]);
    disk.make_room();
    let command = ["send", parcel.path.to_str().unwrap(), "--to", &ground.bob.address];
    let done = Running::start(&ground.alice, &command).succeed();
    assert!(done.sent().unwrap()["resumed_parts"].as_u64().unwrap() >= 1);
    checks::nothing_came_twice(done.sent().unwrap());
    checks::no_journal_is_left(&ground);
    ground.bob_gets_it_whole(&done.sent_id().unwrap(), &parcel);
}

#[test]
fn a_receiver_whose_disk_fills_up_keeps_no_half_file_and_the_same_command_works_when_there_is_room() {
    let Some(disk) = Disk::small() else { return };
    let ground = Ground::new();
    let parcel = ground.parcel("parcel", 40 << 20);
    let sent = ground.alice.wax(&["send", parcel.path.to_str().unwrap(), "--to", &ground.bob.address]);
    let id = sent.unwrap().sent_id().unwrap();
    let target = disk.path().join("got");
    let command = ["get", &id, "-o", target.to_str().unwrap()];
    let mut running = Running::start(&ground.bob, &command);
    ground.bob_wire.hold_after(Way::Down, 12 << 20);
    assert_eq!(ground.bob_wire.wait_held(PATIENCE, || running.is_over()).unwrap(), Waited::Held);
    let filler = disk.fill();
    ground.bob_wire.release();
    let full = running.end();
    assert_eq!(full.status.code(), Some(LOCAL_FILE), "{}", full.said);
    checks::only_file_in(disk.path(), &filler);
    disk.make_room();
    Running::start(&ground.bob, &command).succeed();
    checks::only_file_in(disk.path(), &target);
    assert_eq!(sha256_of(&target).unwrap(), sha256_of(&parcel.path).unwrap());
}

#[test]
fn a_server_that_may_not_write_for_a_while_only_costs_time() {
    // For root permissions mean nothing, but a file system that is read-only does.
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout == b"0\n");
    let disk = match is_root {
        true => Disk::small(),
        false => Some(Disk { folder: tempfile::tempdir().unwrap(), is_mounted: false }),
    };
    let Some(disk) = disk else { return };
    let ground = Ground::with(&["--blobs", disk.path().to_str().unwrap()]);
    let (parcel, running) = half_sent(&ground);
    // Nobody writes any more when the connections have ended, and the wire lets no new ones through.
    ground.alice_wire.cut_all(Cut::Reset);
    disk.forbid_writing();
    ground.alice_wire.release();
    let began = Instant::now();
    while !ground.log().contains("a request failed through a fault of the server") {
        assert!(began.elapsed() < PATIENCE, "the server does not notice");
        std::thread::sleep(Duration::from_millis(5));
    }
    disk.allow_writing();
    let done = running.succeed();
    checks::nothing_came_twice(done.sent().unwrap());
    checks::no_journal_is_left(&ground);
    ground.bob_gets_it_whole(&done.sent_id().unwrap(), &parcel);
}

/// Alice's command, held where a part is finished and two are under way.
fn half_sent(ground: &Ground) -> (Parcel, Running) {
    let parcel = ground.parcel("parcel", 64 << 20);
    let command = ["send", parcel.path.to_str().unwrap(), "--to", &ground.bob.address];
    let mut running = Running::start(&ground.alice, &command);
    ground.alice_wire.hold_after(Way::Up, 40 << 20);
    assert_eq!(ground.alice_wire.wait_held(PATIENCE, || running.is_over()).unwrap(), Waited::Held);
    (parcel, running)
}

/// A folder that can be filled up and closed to writers; a file system of its own where that is allowed.
struct Disk {
    folder: TempDir,
    is_mounted: bool,
}

impl Disk {
    /// A file system of 112 MiB, or words that there is none.
    fn small() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=112m", "none"]).arg(folder.path());
        let is_mounted = mount.output().is_ok_and(|said| said.status.success());
        if !is_mounted {
            eprintln!("not run: mounting a small file system is not allowed here");
        }
        is_mounted.then_some(Self { folder, is_mounted })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no byte of room. Gives the file that takes it.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        for len in [1 << 20, 1 << 12] {
            while file.write_all(&vec![1; len]).is_ok() {}
        }
        path
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path().join("filler")).unwrap();
    }

    fn forbid_writing(&self) {
        if !self.is_mounted {
            return self.permit(0o500);
        }
        let began = Instant::now();
        // Not while a file is open for writing: the server still lets go of its own.
        while !self.remount("ro") {
            assert!(began.elapsed() < PATIENCE, "the server keeps files open");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn allow_writing(&self) {
        if self.is_mounted { assert!(self.remount("rw")) } else { self.permit(0o700) }
    }

    fn remount(&self, how: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{how}")]).arg(self.path());
        mount.output().is_ok_and(|said| said.status.success())
    }

    fn permit(&self, mode: u32) {
        let tmp = self.path().join("tmp");
        std::fs::set_permissions(tmp, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            // Lazily, for a server that still runs when a test has failed.
            drop(Command::new("umount").arg("-l").arg(self.path()).status());
        }
    }
}
