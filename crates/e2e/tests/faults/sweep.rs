//! What a server that was struck keeps on its disk: after its sweep, what belongs to files and nothing else.
//!
//! The sweep leaves alone what is younger than a day, so the server is started with a clock that is days ahead.

use crate::checks::files_below;
use crate::ground::{Ground, remove};
use stage::{Parcel, WrongClock};
use std::path::Path;
use std::time::{Duration, Instant};

const DAY: i64 = 86_400;
const PATIENCE: Duration = Duration::from_secs(60);

/// Sweeps, fetches everything again, removes everything, sweeps again: then nothing may be there.
pub(crate) fn takes_what_belongs_to_nothing(ground: &mut Ground, files: &[(String, Parcel)]) {
    let folder = ground.path("clock-of-waxd");
    std::fs::create_dir(&folder).unwrap();
    let Some(clock) = WrongClock::build(&folder).unwrap() else {
        eprintln!("not run: the sweep of the server (no clock can be made wrong here)");
        return;
    };
    let before = files_below(&ground.blobs()).len();
    sweep(ground, &clock, 2 * DAY, |blobs| is_empty(&blobs.join("tmp")));
    let after = files_below(&ground.blobs()).len();
    println!("faults: the sweep left {after} of {before} files of the server");
    for (id, parcel) in files {
        ground.bob_gets_it_whole(id, parcel);
    }
    for (id, _) in files {
        remove(&ground.alice, id);
    }
    // A lease of the sweep before lasts for minutes, by that clock.
    sweep(ground, &clock, 4 * DAY, |blobs| files_below(blobs).is_empty());
}

/// A server that many seconds ahead comes, and goes when its folder is as it should be. Two files that belong to nothing
/// show that it has swept.
fn sweep(ground: &mut Ground, clock: &WrongClock, ahead: i64, is_clean: impl Fn(&Path) -> bool) {
    let blobs = ground.blobs();
    // Folders are swept in the order of their names, so this one is the last.
    let planted = [blobs.join("tmp").join("f".repeat(32)), blobs.join("ff").join("f".repeat(32))];
    for path in &planted {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"left behind").unwrap();
    }
    clock.set(ahead).unwrap();
    ground.restart_server(Some(clock));
    let began = Instant::now();
    while planted.iter().any(|path| path.exists()) || !is_clean(&blobs) {
        let left = files_below(&blobs);
        assert!(began.elapsed() < PATIENCE, "the sweep leaves what belongs to nothing: {left:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    ground.restart_server(None);
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}
