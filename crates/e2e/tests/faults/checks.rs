//! What must hold after a transfer, whatever struck it.

use crate::ground::{Ground, PART, persist};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The server took every byte once: no part that was finished came again.
pub(crate) fn nothing_came_twice(sent: &Value) {
    let number = |key: &str| sent[key].as_u64().unwrap();
    let body = number("sealed_bytes");
    assert_eq!(number("received_bytes"), body, "a finished part came twice: {sent}");
    assert_eq!(number("received_parts"), body.div_ceil(PART), "a finished part came twice: {sent}");
}

/// What went over the wire beyond the file is at most what was under way when something struck: `torn` parts.
pub(crate) fn little_went_again(sent: &Value, passed: u64, torn: u64) {
    let body = sent["sealed_bytes"].as_u64().unwrap();
    // TLS adds 22 bytes to 16 KiB; a connection begins with a few KiB, and so does each request.
    let framing = body / 200 + torn * PART / 200 + (torn + 8) * (64 << 10);
    let again = passed.saturating_sub(body + framing);
    println!("faults: {} of {} KiB went again, at most {torn} parts may", again >> 10, body >> 10);
    assert!(passed <= body + torn * PART + framing, "{again} bytes went again, {torn} parts were torn");
}

/// Bob sees the files that were acknowledged to Alice and no other.
pub(crate) fn bob_sees(ground: &Ground, acknowledged: &[String]) {
    let listed = persist(&ground.bob, &["ls"]);
    let mut seen: Vec<&str> =
        listed.said["files"].as_array().unwrap().iter().map(|file| file["id"].as_str().unwrap()).collect();
    let mut expected: Vec<&str> = acknowledged.iter().map(String::as_str).collect();
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected, "Bob sees other files than those that were acknowledged");
}

/// The sender keeps nothing of an upload that has ended.
pub(crate) fn no_journal_is_left(ground: &Ground) {
    assert_eq!(files_below(&ground.alice.home.join("journals")), Vec::<PathBuf>::new());
    let uploads = persist(&ground.alice, &["uploads"]);
    assert_eq!(uploads.said["uploads"], serde_json::json!([]));
}

/// The folder holds that file and nothing beside it.
pub(crate) fn only_file_in(folder: &Path, file: &Path) {
    assert_eq!(files_below(folder), [file.to_owned()]);
}

/// Every file below a folder, in order; none if there is no folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
