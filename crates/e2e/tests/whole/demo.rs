//! The demo tells its story to the end: a server dies, a folder is lost, nothing leaks.

use crate::scene::executable;
use std::process::Command;

#[test]
fn the_demo_plays_to_its_end_and_finds_no_leak() {
    let dir = tempfile::tempdir().unwrap();
    let told = Command::new(executable("waxd"))
        .args(["demo", "--size", "40", "--exit", "--dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    let words = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success(), "{words}\n{}", String::from_utf8_lossy(&told.stderr));
    for part in [
        "SHA-256 on both sides",
        "parts sent",
        "is killed (kill -9)",
        "the servers received each part once",
        "copies anew",
        "each part is in two folders again",
        "finds a planted copy",
        "nothing of it is in",
        "peak memory",
    ] {
        assert!(words.contains(part), "{part:?} is missing in:\n{words}");
    }
}
