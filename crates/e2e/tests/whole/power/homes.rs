//! What people's own computers remember. Their power stays on, so each course of events begins from the same notes.

use crate::scene::Scene;
use stage::{Done, Person};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Kind of a journal's record that holds the request by which a file appears.
const COMPLETE: u8 = 2;
/// Kind, number and length of a record.
const RECORD_HEAD: usize = 9;

/// The notes of both people of a scene.
pub(crate) trait Homes {
    /// Keeps them aside.
    fn keep_homes(&self);
    /// Makes people forget what they saw in another course of events.
    fn restore_homes(&self);
}

impl Homes for Scene {
    fn keep_homes(&self) {
        for person in [&self.alice, &self.bob] {
            copy_notes(&person.home, &person.home.with_extension("kept"));
        }
    }

    fn restore_homes(&self) {
        for person in [&self.alice, &self.bob] {
            for note in files_in(&person.home).filter(|path| is_note(path)).chain(files_in(&journals(person)))
            {
                std::fs::remove_file(note).unwrap();
            }
            copy_notes(&person.home.with_extension("kept"), &person.home);
        }
    }
}

/// Runs a `wax send` and gives the journal that it writes a second name, `kept`, which outlives it. False if the
/// upload was over before the journal was seen.
pub(crate) fn send_keeping_journal(person: &Person, args: &[&str], kept: &Path) -> (Done, bool) {
    let began = Instant::now();
    let mut child = person.start(args).unwrap();
    let mut seen = false;
    while !seen && child.try_wait().unwrap().is_none() {
        seen = files_in(&journals(person)).any(|journal| std::fs::hard_link(journal, kept).is_ok());
        std::thread::sleep(Duration::from_millis(1));
    }
    (person.finish(child, began).unwrap().or_step(person, args).unwrap(), seen)
}

/// Puts a journal back. Without `completing` it ends before the request by which the file appears.
pub(crate) fn restore_journal(person: &Person, file_id: &str, kept: &Path, completing: bool) {
    let journal = std::fs::read(kept).unwrap();
    let end = if completing { journal.len() } else { end_of_parts(&journal) };
    let place = journals(person).join(format!("{file_id}.wxj"));
    // A copy has the mode of the file, which others may not read.
    std::fs::copy(kept, &place).unwrap();
    std::fs::write(&place, &journal[..end]).unwrap();
}

/// Where the last record of a part ends; see `client/src/send/journal.rs`.
fn end_of_parts(journal: &[u8]) -> usize {
    let len_at = |at: usize| {
        let len = journal.get(at..at + 4).expect("a journal that was finished is whole");
        u32::from_be_bytes(len.try_into().expect("four bytes")) as usize
    };
    let mut at = 12 + len_at(8) + 32;
    while journal.get(at).is_some_and(|kind| *kind != COMPLETE) {
        at += RECORD_HEAD + len_at(at + 5) + 8;
    }
    at
}

fn journals(person: &Person) -> PathBuf {
    person.home.join("journals")
}

fn copy_notes(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for note in files_in(from).filter(|path| is_note(path)) {
        std::fs::copy(&note, to.join(note.file_name().unwrap())).unwrap();
    }
}

fn is_note(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// Nothing if the folder is not there.
fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_file())
}
