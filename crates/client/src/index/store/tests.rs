//! The index on disk: order, crashes, damage.

use super::*;
use crate::index::entry::State;
use crate::index::entry::tests::sample;
use format::Secret;
use std::os::unix::fs::PermissionsExt;

pub(crate) fn key(n: u8) -> IndexKey {
    IndexKey::from_secret(Secret::from_bytes([n; 32]))
}

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path().join("home")).unwrap();
    (folder, home)
}

fn open(home: &Home) -> (Index, Option<IndexFault>) {
    let (mut index, fault) = Index::open(home, key(1), b"alice".to_vec()).unwrap();
    index.recent_max = 10;
    (index, fault)
}

fn put(index: &mut Index, n: u8, revision: u64) {
    index.put(FileId::from_bytes([n; 16]), sample(n, revision, "x").write());
}

fn mark(index: &mut Index, cursor: &str) {
    index.mark.cursor = Some(cursor.to_owned());
    index.commit().unwrap();
}

fn ids(index: &Index) -> Vec<u8> {
    index
        .rows()
        .unwrap()
        .map(Result::unwrap)
        .filter(|row| Entry::read(row).unwrap().state == State::Listed)
        .map(|row| row[0])
        .collect()
}

/// 30 rows in several generations, 2 of them gone again, and one newer beside.
fn filled(home: &Home) {
    let (mut index, fault) = open(home);
    assert!(fault.is_none());
    for n in 1..=30 {
        put(&mut index, n, 1);
        mark(&mut index, &format!("after {n}"));
    }
    for n in [3, 30] {
        index.put(FileId::from_bytes([n; 16]), entry::gone(FileId::from_bytes([n; 16])));
    }
    mark(&mut index, "two gone");
}

#[test]
fn rows_come_back_in_order_with_what_came_later_and_without_what_left() {
    let (_keep, home) = home();
    filled(&home);
    let (mut index, fault) = open(&home);
    assert!(fault.is_none() && index.has_base);
    let expected: Vec<u8> = (1..30).filter(|n| *n != 3).collect();
    assert_eq!(ids(&index), expected);
    assert_eq!(index.mark.cursor.as_deref(), Some("two gone"));
    put(&mut index, 3, 2);
    assert_eq!(ids(&index).len(), expected.len() + 1);
    drop(index);
    assert_eq!(ids(&open(&home).0), expected, "nothing is there before it is committed");
}

#[test]
fn an_older_revision_is_refused_wherever_the_newer_one_is() {
    let (_keep, home) = home();
    filled(&home);
    let (mut index, _) = open(&home);
    put(&mut index, 5, 4);
    mark(&mut index, "a");
    put(&mut index, 5, 2);
    for n in 40..60 {
        put(&mut index, n, 1);
    }
    mark(&mut index, "b");
    let (index, _) = open(&home);
    assert!(index.recent.is_empty() && !ids(&index).contains(&5));
    let row = index.rows().unwrap().map(Result::unwrap).find(|row| row[0] == 5).unwrap();
    assert_eq!(Entry::read(&row).map(|row| (row.revision, row.state)), Some((4, State::Refused)));
}

#[test]
fn every_changed_byte_and_every_cut_is_noticed_and_nothing_of_it_is_listed() {
    let (_keep, home) = home();
    filled(&home);
    let kept = [BASE, RECENT].map(|name| (name, std::fs::read(home.path().join(name)).unwrap()));
    let write = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    for (name, whole) in &kept {
        let damages = (0..whole.len()).step_by(whole.len() / 97 + 1).flat_map(|at| {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            [changed, whole[..at].to_vec()]
        });
        for damaged in damages.chain([[whole.clone(), vec![0]].concat()]) {
            kept.iter().for_each(|(name, bytes)| write(name, bytes));
            write(name, &damaged);
            let (index, fault) = open(&home);
            let rows: Result<Vec<_>, _> = index.rows().and_then(Iterator::collect);
            // A newer file of another generation is left alone, which loses nothing but time.
            let is_other = *name == RECENT && index.recent.is_empty();
            assert!(fault.is_some() || rows.is_err() || is_other, "{name}: {}", damaged.len());
        }
    }
}

#[test]
fn another_persons_servers_or_versions_index_is_thrown_away() {
    for (key_of, whose, magic, fault) in [
        (2, "alice", *MAGIC, IndexFault::Damaged),
        (1, "bob", *MAGIC, IndexFault::Damaged),
        (1, "alice", *b"WXWGIX00", IndexFault::OtherVersion),
        (1, "alice", *b"SQLite f", IndexFault::Damaged),
    ] {
        let (_keep, home) = home();
        filled(&home);
        let path = home.path().join(BASE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..8].copy_from_slice(&magic);
        std::fs::write(&path, bytes).unwrap();
        let (index, found) = Index::open(&home, key(key_of), whose.as_bytes().to_vec()).unwrap();
        assert_eq!(found, Some(fault));
        assert_eq!((ids(&index), index.mark.clone()), (vec![], Mark::default()));
        assert!(!path.exists(), "thrown away");
    }
}

#[test]
fn a_crash_between_the_two_files_loses_nothing() {
    let (_keep, home) = home();
    filled(&home);
    let newer = std::fs::read(home.path().join(RECENT)).unwrap();
    let (mut index, _) = open(&home);
    for n in 40..60 {
        put(&mut index, n, 1);
    }
    mark(&mut index, "merged");
    // The larger file was renamed, the smaller not removed yet.
    home.write(RECENT, &newer).unwrap();
    let (index, fault) = open(&home);
    assert!(fault.is_none());
    assert_eq!((ids(&index).len(), index.mark.cursor.as_deref()), (48, Some("merged")));
}

#[test]
fn no_name_stands_in_clear_on_disk() {
    let (_keep, home) = home();
    let (mut index, _) = open(&home);
    let id = FileId::from_bytes([1; 16]);
    index.put(id, sample(1, 1, "takeover-plan.pdf").write());
    mark(&mut index, "the cursor");
    let disk = std::fs::read(home.path().join(RECENT)).unwrap();
    let has = |needle: &[u8]| disk.windows(needle.len()).any(|window| window == needle);
    assert!(has(MAGIC), "the search finds what is there");
    for needle in [b"takeover".as_slice(), b"people.example", b"the cursor", id.as_bytes()] {
        assert!(!has(needle));
    }
}
