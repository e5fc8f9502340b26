//! Writes `spec/vectors`: `cargo run -p vectors`. With `--check` it only compares.
//!
//! The generator is a second writer of the format. It shares no code with the crates `envelope` and `format`, so
//! that what both agree on is the specification and not a common mistake; and each of its steps can be done wrongly,
//! so that for every rule there is a vector that breaks it. All randomness comes out of labels: the same bytes at
//! every run.

mod cases;
mod cbor;
mod forge;
mod outward;
mod people;
mod primitives;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/vectors"));
    let cases = cases::all();
    let check = std::env::args().any(|arg| arg == "--check");
    let wrong = if check { differences(&folder, &cases)? } else { write(&folder, &cases)? };
    if wrong.is_empty() {
        println!("{} files", cases.len());
        return Ok(());
    }
    wrong.iter().for_each(|path| eprintln!("{path}"));
    Err(io::Error::other("these files are not what the generator writes"))
}

/// Writes every case, and names files that no case writes any more.
fn write(folder: &Path, cases: &[cases::Case]) -> io::Result<Vec<String>> {
    for case in cases {
        let path = folder.join(&case.path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, &case.bytes)?;
    }
    differences(folder, cases)
}

/// Files that are missing, differ, or belong to no case.
fn differences(folder: &Path, cases: &[cases::Case]) -> io::Result<Vec<String>> {
    let mut found = BTreeSet::new();
    for kind in std::fs::read_dir(folder)? {
        let kind = kind?.path();
        let by_hand = kind.file_name().is_some_and(|name| name == "keys");
        if !kind.is_dir() || by_hand {
            continue;
        }
        for file in std::fs::read_dir(&kind)? {
            let path = file?.path();
            found.insert(path.strip_prefix(folder).map_err(io::Error::other)?.to_path_buf());
        }
    }
    let mut wrong = Vec::new();
    for case in cases {
        found.remove(Path::new(&case.path));
        if std::fs::read(folder.join(&case.path)).ok().as_ref() != Some(&case.bytes) {
            wrong.push(case.path.clone());
        }
    }
    wrong.extend(found.into_iter().map(|path| format!("{} (nobody's)", path.display())));
    Ok(wrong)
}
