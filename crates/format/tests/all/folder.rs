//! Folders: the one form of a list, what can stand in one, and which files pass for its members.

use envelope::{ContentId, FileId, ParseError};
use format::folder::{
    FOLDERS_MAX, Folder, LIST_MAX, MEDIA_TYPE, MEMBERS_MAX, Member, MemberPath, TreeError, check_tree,
    open_member, safe_paths,
};
use format::manifest::rename;
use format::names::safe_file_name;
use format::{FileKey, FileName, OpenError, Secret};
use proptest::prelude::*;

use crate::fixtures::{Forger, Sealed};

fn path(text: &str) -> MemberPath {
    MemberPath::parse(text).unwrap()
}

fn id(n: u32) -> FileId {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    FileId::from_bytes(bytes)
}

fn member(text: &str, n: u32) -> Member {
    Member {
        path: path(text),
        file_id: id(n),
        fk: FileKey::from_secret(Secret::from_bytes([u8::try_from(n % 251).unwrap(); 32])),
        content_id: ContentId::from_bytes([9; 32]),
        size: u64::from(n),
        min_revision: 1,
    }
}

fn members(paths: &[&str]) -> Vec<Member> {
    (0..).zip(paths).map(|(n, path)| member(path, n)).collect()
}

fn folder(paths: &[&str], empty: &[&str]) -> Result<Folder, TreeError> {
    Folder::new(members(paths), empty.iter().map(|text| path(text)).collect())
}

#[test]
fn a_list_comes_back_sorted_whatever_order_it_was_made_in() {
    let made = folder(&["b/c.txt", "a", "b-c", "b/a/z", "ü"], &["empty/inner", "b/none"]).unwrap();
    let read = Folder::decode(&made.encode()).unwrap();
    assert_eq!(read, made);
    let paths: Vec<&str> = read.members().iter().map(|member| member.path.as_str()).collect();
    assert_eq!(paths, ["a", "b-c", "b/a/z", "b/c.txt", "ü"]);
    assert_eq!(read.empty().iter().map(MemberPath::as_str).collect::<Vec<_>>(), ["b/none", "empty/inner"]);
    assert_eq!(read.size(), 1 + 2 + 3 + 4);
    let nothing = folder(&[], &[]).unwrap();
    assert_eq!(nothing.encode()[..], [0xa1, 0x01, 0x80]);
    assert_eq!(Folder::decode(&nothing.encode()).unwrap(), nothing);
}

#[test]
fn ten_thousand_members_and_the_most_that_there_may_be_fit() {
    for count in [10_000, MEMBERS_MAX] {
        let all = (0..u32::try_from(count).unwrap())
            .map(|n| member(&format!("folder {}/some file {n:06}.txt", n / 500), n));
        let made = Folder::new(all.collect(), Vec::new()).unwrap();
        let list = made.encode();
        assert!(list.len() < LIST_MAX, "{count}: {}", list.len());
        assert_eq!(Folder::decode(&list).unwrap(), made);
        assert_eq!(safe_paths(made.members().iter().map(|member| &member.path)).len(), count);
    }
}

#[test]
fn more_members_folders_or_names_than_there_may_be_are_refused() {
    let paths: Vec<MemberPath> = (0..=MEMBERS_MAX).map(|n| path(&n.to_string())).collect();
    assert_eq!(check_tree(paths[1..].iter(), [].iter()), Ok(()));
    assert_eq!(check_tree(paths.iter(), [].iter()), Err(TreeError::TooMany));
    assert_eq!(check_tree([].iter(), paths.iter()), Err(TreeError::TooMany));
    // 40,000 files in folders of their own, two deep: 80,000 folders.
    let deep: Vec<MemberPath> = (0..40_000).map(|n| path(&format!("{n}/in/file"))).collect();
    assert!(deep.len() < FOLDERS_MAX);
    assert_eq!(check_tree(deep.iter(), [].iter()), Err(TreeError::TooMany));
    let shared: Vec<MemberPath> = (0..40_000).map(|n| path(&format!("a/b/c/{n}"))).collect();
    assert_eq!(check_tree(shared.iter(), [].iter()), Ok(()));
    let long = |n: u32| member(&format!("{}/{}/{n}", "x".repeat(255), "y".repeat(200)), n);
    assert_eq!(Folder::new((0..40_000).map(long).collect(), Vec::new()), Err(TreeError::TooLong));
    assert!(Folder::decode(&vec![0; LIST_MAX + 1]).is_err());
}

#[test]
fn paths_that_lead_out_or_nowhere_are_none() {
    let deep = vec!["a"; 65].join("/");
    for text in [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../x",
        "a/../b",
        "a/..",
        "./a",
        "a/.",
        "a\0b",
        "a\\b",
        "C:\\x",
        deep.as_str(),
        &"x".repeat(256)[..],
        &"x".repeat(4_000)[..],
        &vec!["x".repeat(250); 9].join("/")[..],
    ] {
        assert!(MemberPath::parse(text).is_err(), "{text:?}");
    }
    for text in
        ["a", "a/b", "...", "a/..b", "C:/x", "nul", &vec!["a"; 64].join("/")[..], &"x".repeat(255)[..]]
    {
        assert_eq!(path(text).as_str(), text);
        assert_eq!(format!("{:?}", path(text)), "[path]", "it is not printed by chance");
    }
    assert_eq!(path("u\u{308}").as_str(), "ü", "composed");
}

#[test]
fn names_that_some_file_system_takes_for_one_are_refused() {
    for (paths, empty) in [
        (&["a", "A"][..], &[][..]),
        (&["straße", "STRASSE"], &[]),
        (&["ς", "Σ"], &[]),
        (&["In/x", "in/X"], &[]),
        (&["a", "a/b"], &[]),
        (&["a", "a-", "A/b"], &[]),
        (&["a"], &["a"]),
        (&["a"], &["A"]),
        (&["a/b"], &["a"]),
        (&[], &["a", "a/b"]),
        (&[], &["a", "A"]),
    ] {
        assert!(matches!(folder(paths, empty), Err(TreeError::SameName(..))), "{paths:?} {empty:?}");
    }
    assert!(folder(&["a", "a-", "b/a", "b/a-", "a.b/c"], &["ab", "b/c"]).is_ok());
    // Two spellings of one letter, which no writer of ours makes.
    let mut twice = folder(&["x/a\u{302}", "y"], &[]).unwrap().encode().to_vec();
    let composed = "x/â".as_bytes();
    let at = twice.windows(composed.len()).position(|piece| piece == composed).unwrap();
    twice[at - 1] += 1;
    twice.splice(at..at + composed.len(), "x/a\u{302}".bytes());
    assert!(Folder::decode(&twice).is_ok(), "read as it is");
    let both = Folder::new(vec![member("x/â", 1), Folder::decode(&twice).unwrap().into_first()], Vec::new());
    assert!(matches!(both, Err(TreeError::SameName(..))));
}

trait First {
    fn into_first(self) -> Member;
}

impl First for Folder {
    /// The first member, by its bytes.
    fn into_first(self) -> Member {
        let list = self.encode();
        let alone = Folder::decode(&list).unwrap();
        let first = &alone.members()[0];
        Member { path: first.path.clone(), fk: FileKey::generate(), ..*first }
    }
}

/// The CBOR of a list whose members are given by their own.
fn list(members: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0xa1, 0x01, 0x80 | u8::try_from(members.len()).unwrap()];
    members.iter().for_each(|member| out.extend_from_slice(member));
    out
}

fn entry(name: &str, n: u8) -> Vec<u8> {
    let mut out = vec![0xa6, 0x01, 0x60 | u8::try_from(name.len()).unwrap()];
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&[0x02, 0x50]);
    out.extend_from_slice(&[n; 16]);
    out.extend_from_slice(&[0x03, 0x58, 0x20]);
    out.extend_from_slice(&[n; 32]);
    out.extend_from_slice(&[0x04, 0x58, 0x20]);
    out.extend_from_slice(&[9; 32]);
    out.extend_from_slice(&[0x05, 0x05, 0x06, 0x01]);
    out
}

#[test]
fn only_the_one_form_of_a_list_is_read() {
    let (a, b) = (entry("a", 1), entry("b", 2));
    let good = list(&[a.clone(), b.clone()]);
    let read = Folder::decode(&good).unwrap();
    assert_eq!(read.encode()[..], good[..]);
    assert!(Folder::decode(&list(&[b, a.clone()])).is_err(), "not sorted");
    assert!(Folder::decode(&list(&[a.clone(), a.clone()])).is_err(), "twice");
    assert!(Folder::decode(&list(&[a.clone(), entry("b", 1)])).is_err(), "one file under two names");
    assert_eq!(Folder::decode(&[good.as_slice(), &[0]].concat()), Err(ParseError::TrailingBytes));
    for cut in 0..good.len() {
        assert!(Folder::decode(&good[..cut]).is_err(), "{cut}");
    }
    let changed = |at: usize, from: u8, to: u8| {
        let mut bytes = list(std::slice::from_ref(&a));
        assert_eq!(bytes[at], from);
        bytes[at] = to;
        Folder::decode(&bytes)
    };
    let last = list(std::slice::from_ref(&a)).len() - 1;
    assert!(changed(last, 0x01, 0x00).is_err(), "revision 0");
    assert!(changed(last - 1, 0x06, 0x07).is_err(), "an unknown key");
    assert!(changed(3, 0xa6, 0xa5).is_err(), "a key less");
    assert!(changed(1, 0x01, 0x03).is_err(), "an unknown key outside");
    assert!(changed(6, b'a', b'/').is_err(), "a path that is none");
    assert!(changed(last, 0x01, 0x20).is_err(), "a negative revision");
    let mut large = list(std::slice::from_ref(&a));
    large.splice(last - 2..last - 1, [0x1b, 0, 0, 0x10, 0, 0, 0, 0, 1]);
    assert!(Folder::decode(&large).is_err(), "larger than a file can be");
    let with_empty = |folders: &[&str]| {
        let mut bytes = vec![0xa2];
        bytes.extend_from_slice(&list(std::slice::from_ref(&a))[1..]);
        bytes.extend_from_slice(&[0x02, 0x80 | u8::try_from(folders.len()).unwrap()]);
        for name in folders {
            bytes.push(0x60 | u8::try_from(name.len()).unwrap());
            bytes.extend_from_slice(name.as_bytes());
        }
        Folder::decode(&bytes)
    };
    assert_eq!(with_empty(&["b", "c"]).unwrap().empty().len(), 2);
    assert!(with_empty(&[]).is_err(), "an empty list of empty folders has another spelling");
    assert!(
        with_empty(&["c", "b"]).is_err() && with_empty(&["b", "b"]).is_err() && with_empty(&["a"]).is_err()
    );
}

#[test]
fn a_list_that_announces_more_than_it_holds_reserves_nothing() {
    for head in [&[0xa1, 0x01, 0x9a, 0xff, 0xff, 0xff, 0xff][..], &[0xa1, 0x01, 0x99, 0xc3, 0x50]] {
        assert!(Folder::decode(head).is_err());
    }
}

#[test]
fn hostile_names_become_safe_ones_and_no_two_become_one() {
    let names = [
        "\u{202e}gnp.exe",
        "-rf",
        "AUX",
        "COM1.txt",
        "a.",
        "a:b",
        "a?b",
        "a_b",
        "con",
        "dir:/x",
        "dir?/x",
        "dir_/X ",
        "sub/NUL.txt",
        "sub/ x",
        "trailing. ",
        "\u{200b}",
        "unnamed",
    ];
    let made = folder(&names, &["lpt1"]).unwrap();
    let mut all: Vec<&MemberPath> =
        made.members().iter().map(|member| &member.path).chain(made.empty()).collect();
    all.sort();
    let safe = safe_paths(all.iter().copied());
    assert_eq!(safe.len(), all.len());
    let mut seen = std::collections::HashSet::new();
    for (path, safe) in all.iter().zip(&safe) {
        assert!(safe.split('/').all(|name| safe_file_name(name) == name), "{path:?} {safe:?}");
        assert_eq!(safe.split('/').count(), path.parts().count(), "{safe:?}");
        assert!(seen.insert(safe.to_lowercase()), "{safe:?}");
    }
    assert!(safe.contains(&"a_b (1)".to_owned()) && safe.contains(&"a_b (2)".to_owned()), "{safe:?}");
    assert!(safe.contains(&"dir_ (1)/x".to_owned()), "{safe:?}");
    assert_eq!(safe_paths(all.iter().copied()), safe, "the same every time");
}

#[test]
fn ten_thousand_names_that_become_one_are_numbered_in_no_time() {
    let all: Vec<MemberPath> = (0..10_000_u32)
        .map(|n| path(&(0..16).map(|bit| if n >> bit & 1 == 1 { ':' } else { '?' }).collect::<String>()))
        .collect();
    let mut sorted: Vec<&MemberPath> = all.iter().collect();
    sorted.sort();
    let safe: std::collections::HashSet<String> = safe_paths(sorted.into_iter()).into_iter().collect();
    assert_eq!(safe.len(), 10_000);
}

fn of(file: &Sealed) -> Member {
    Member {
        path: path("x"),
        file_id: file.file_id,
        fk: FileKey::from_secret(Secret::from_bytes(*file.fk.secret().expose_secret())),
        content_id: file.manifest.content_id(),
        size: file.metadata.original_size,
        min_revision: 1,
    }
}

#[test]
fn a_member_opens_as_the_list_names_it_and_not_otherwise() {
    let (alice, mallory) = (Forger::new(1), Forger::new(2));
    let author = alice.root.public();
    let (file, other) = (Sealed::by(Some(&alice.root)), Sealed::by(Some(&alice.root)));
    let opened = open_member(&of(&file), &file.manifest, author).unwrap();
    assert_eq!((opened.metadata, opened.shape), (file.metadata.clone(), file.manifest.body()));
    let refused = |member: &Member, manifest| {
        assert_eq!(open_member(member, manifest, author).map(drop), Err(OpenError::NotAuthentic));
    };
    refused(&of(&file), &other.manifest);
    refused(&Member { file_id: other.file_id, ..of(&file) }, &file.manifest);
    refused(&Member { content_id: other.manifest.content_id(), ..of(&file) }, &file.manifest);
    refused(&Member { size: 999, ..of(&file) }, &file.manifest);
    refused(&Member { min_revision: 2, ..of(&file) }, &file.manifest);
    refused(&Member { fk: FileKey::generate(), ..of(&file) }, &file.manifest);
    let by_mallory = Sealed::by(Some(&mallory.root));
    refused(&of(&by_mallory), &by_mallory.manifest);
    let anonymous = Sealed::by(None);
    refused(&of(&anonymous), &anonymous.manifest);
    // A later revision is the same content under another name.
    let name = FileName::parse("later").unwrap();
    let renamed = rename(&file.manifest, &file.fk, &alice.root, name.clone(), String::new()).unwrap();
    assert_eq!(open_member(&of(&file), &renamed, author).unwrap().metadata.name, name);
    let nested = rename(&file.manifest, &file.fk, &alice.root, name, MEDIA_TYPE.to_owned()).unwrap();
    refused(&of(&file), &nested);
}

proptest! {
    #[test]
    fn safe_paths_are_safe_apart_and_of_as_many_parts(
        names in proptest::collection::btree_set("[a-cA-C:?*. \u{202e}\u{200b}-]{1,4}(/[ab:?. -]{1,3}){0,3}", 1..40)
    ) {
        let paths: Vec<MemberPath> = names.iter().filter_map(|name| MemberPath::parse(name).ok()).collect();
        let mut paths: Vec<&MemberPath> = paths.iter().collect();
        paths.sort();
        paths.dedup();
        prop_assume!(check_tree(paths.iter().copied(), [].iter()).is_ok());
        let safe = safe_paths(paths.iter().copied());
        let mut files = std::collections::HashSet::new();
        let mut folders = std::collections::HashSet::new();
        for (path, safe) in paths.iter().zip(&safe) {
            prop_assert!(safe.split('/').all(|name| safe_file_name(name) == name), "{safe:?}");
            prop_assert_eq!(safe.split('/').count(), path.parts().count());
            let lower = safe.to_lowercase();
            for (at, _) in lower.match_indices('/') {
                folders.insert(lower[..at].to_owned());
            }
            prop_assert!(files.insert(lower), "{safe:?}");
        }
        prop_assert!(files.is_disjoint(&folders));
    }

    #[test]
    fn whatever_is_read_is_written_as_it_was(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(folder) = Folder::decode(&bytes) {
            prop_assert_eq!(folder.encode().to_vec(), bytes);
        }
    }
}
