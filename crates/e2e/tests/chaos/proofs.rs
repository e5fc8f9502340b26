//! What must hold after everything, whatever struck.

use crate::crowd::{Kept, Member, opens, persist, remove};
use crate::ground::Ground;
use serde_json::Value;
use stage::{Person, WrongClock};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

const DAY: i64 = 86_400;

/// Every file that was acknowledged and not removed opens, and the reader sees these alone.
pub(crate) fn all_that_was_acknowledged_is_there(ground: &Ground, reader: &Person, members: &[Member]) {
    let kept: Vec<&Kept> = members.iter().flat_map(|member| &member.kept).collect();
    let expected: BTreeSet<&str> = kept.iter().map(|kept| kept.id.as_str()).collect();
    let listed = persist(reader, &["ls", "--all"]);
    let seen: BTreeSet<&str> = ids(&listed.said).into_iter().collect();
    let lost: Vec<_> = expected.difference(&seen).collect();
    let more: Vec<_> = seen.difference(&expected).collect();
    assert!(lost.is_empty() && more.is_empty(), "lost: {lost:?}, acknowledged to nobody: {more:?}");
    for kept in &kept {
        opens(reader, kept, &ground.path("read"));
    }
    println!("chaos: {} files open, the same bytes", kept.len());
}

/// The ids in the answer of `wax ls`.
pub(crate) fn ids(said: &Value) -> Vec<&str> {
    said["files"].as_array().unwrap().iter().map(|file| file["id"].as_str().unwrap()).collect()
}

/// No sender keeps anything of an upload, and the servers know of none that is unfinished.
pub(crate) fn no_upload_is_left(members: &[Member]) {
    for member in members {
        assert_eq!(files_below(&member.person.home.join("journals")), Vec::<PathBuf>::new());
        let uploads = persist(&member.person, &["uploads"]);
        assert_eq!(uploads.said["uploads"], serde_json::json!([]));
    }
}

/// The log of what happened is one chain.
pub(crate) fn the_audit_log_is_whole(ground: &Ground) {
    let said = ended_well(&ground.admin(&["audit", "verify"], None), "audit verify");
    println!("chaos: audit verify: {}", said.lines().last().unwrap_or_default());
}

/// Every copy is as it was recorded, after what is missing was written anew.
pub(crate) fn a_scrub_mends_everything(ground: &Ground) {
    ended_well(&ground.admin(&["scrub", "--repair", "--json"], None), "scrub --repair");
    let said = ended_well(&ground.admin(&["scrub", "--json"], None), "scrub");
    let total: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    println!("chaos: scrub: {total}");
    assert_eq!(total["damaged"], 0, "{total}");
}

/// A sweep takes what belongs to nothing and leaves every file; when the files are removed it leaves nothing at all. It
/// leaves alone what is younger than a day, so it runs by a clock that is days ahead, while no server runs.
pub(crate) fn a_sweep_takes_what_belongs_to_nothing(
    ground: &mut Ground,
    reader: &Person,
    members: &[Member],
) {
    a_sweep_takes_what_belongs_to_nothing_but(ground, reader, members, 0);
}

/// The same where that many files of the store stay, which are not of the crowd.
pub(crate) fn a_sweep_takes_what_belongs_to_nothing_but(
    ground: &mut Ground,
    reader: &Person,
    members: &[Member],
    staying: usize,
) {
    let folder = ground.path("clock");
    std::fs::create_dir(&folder).unwrap();
    let Some(clock) = WrongClock::build(&folder).unwrap() else {
        eprintln!("not run: the sweep (no clock can be made wrong here)");
        return;
    };
    let before = stored(ground).len();
    sweep(ground, &clock, 2 * DAY);
    assert_eq!(unfinished(ground), Vec::<PathBuf>::new(), "temporary files are left");
    println!("chaos: the sweep left {} of {before} files of the store", stored(ground).len());
    // Every blob is looked at without keys, and some files as a person does it.
    a_scrub_mends_everything(ground);
    for kept in members.iter().flat_map(|member| &member.kept).step_by(4) {
        opens(reader, kept, &ground.path("read"));
    }
    for member in members {
        for kept in &member.kept {
            remove(&member.person, &kept.id);
        }
    }
    sweep(ground, &clock, 4 * DAY);
    let left = stored(ground);
    assert_eq!(left.len(), staying, "the store keeps what belongs to nothing: {left:?}");
}

fn sweep(ground: &mut Ground, clock: &WrongClock, ahead: i64) {
    ground.end_servers();
    clock.set(ahead).unwrap();
    ground.shared.live_by(Some(clock));
    // What the first run ends, the second one finds deleted.
    for _ in 0..2 {
        ended_well(&ground.admin(&["gc", "--json"], Some(clock)), "gc");
    }
    let said = ended_well(&ground.admin(&["orphans", "--json"], Some(clock)), "orphans");
    let total: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(total["orphans"], 0, "{said}");
    ground.shared.live_by(None);
    ground.start_servers();
}

/// Every file in which sealed bytes rest.
fn stored(ground: &Ground) -> Vec<PathBuf> {
    ground.shared.folders().iter().flat_map(|folder| files_below(folder)).collect()
}

/// Those of them that were being written.
fn unfinished(ground: &Ground) -> Vec<PathBuf> {
    let is_temporary = |path: &PathBuf| path.parent().is_some_and(|folder| folder.ends_with("tmp"));
    stored(ground).into_iter().filter(is_temporary).collect()
}

fn ended_well(output: &Output, what: &str) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "waxd admin {what}: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// Every file below a folder, in order; none if there is no folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
