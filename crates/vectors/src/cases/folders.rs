//! Bundles of files: lists as somebody could have sealed them, and members that are held against a list.

use super::{Case, World, body, case, hex, pattern};
use crate::cbor;
use crate::forge::{File, Metadata, Person, Sealed};
use crate::outward::{Entry, list};
use crate::primitives::sha256;
use serde_json::{Value, json};

const MEDIA_TYPE: &str = "application/vnd.waxwing.bundle+cbor";

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    opening(cases);
    names(cases);
    entries(cases);
    spelling(cases);
    members(world, cases);
}

fn opens(name: &str, about: &str, members: &[Entry], empty: &[&str]) -> Case {
    let told: Vec<Value> = members
        .iter()
        .map(|member| {
            json!({
                "path": String::from_utf8(member.path.clone()).expect("text"),
                "file_id": hex(&member.file_id),
                "content_id": hex(&member.content_id),
                "size": member.size,
                "min_revision": member.min_revision,
            })
        })
        .collect();
    let fields = json!({
        "expect": "open",
        "list": hex(&list(members, empty)),
        "result": {"members": told, "empty": empty},
    });
    case("folder", name, about, fields)
}

fn refused(name: &str, about: &str, list: &[u8]) -> Case {
    case("folder", name, about, json!({"expect": "refuse", "list": hex(list)}))
}

fn at(paths: &[&str]) -> Vec<Entry> {
    paths.iter().map(|path| Entry::at(path)).collect()
}

/// A path of so many bytes, none of whose names is too long.
fn path_of(len: usize) -> String {
    format!("{}/{}/{}", vec!["n".repeat(255); 7].join("/"), "o".repeat(127), "m".repeat(len - 8 * 256 + 128))
}

fn opening(cases: &mut Vec<Case>) {
    let deep = vec!["n"; 64].join("/");
    let long = path_of(2_048);
    let lists: [(&str, &str, &[&str], &[&str]); 8] = [
        ("opens-without-members", "A list of nothing.", &[], &[]),
        ("opens-empty-folders-alone", "Empty folders and no file.", &[], &["drafts", "old/2025"]),
        (
            "opens",
            "Files in folders, and an empty one.",
            &["a.txt", "plans/b.txt", "plans/c.txt"],
            &["plans/old"],
        ),
        (
            "opens-alike-and-apart",
            "What begins alike but not up to a /.",
            &["a", "a b", "a.txt", "ab/c", "b/c"],
            &["a-b"],
        ),
        // By bytes a space and a dot stand before the /.
        ("opens-sorted-by-bytes", "The / sorts as the byte that it is.", &["a b", "a.b", "a/b", "a0"], &[]),
        (
            "opens-strange-names",
            "Nothing else is refused in a name: it is data.",
            &["a\u{1b}[1m", "cafe\u{301}", "con", "\u{202e}txt.exe"],
            &[],
        ),
        ("opens-64-names", "The most names in a path.", &[deep.as_str()], &[]),
        ("opens-2048-bytes", "The longest path.", &[long.as_str()], &[]),
    ];
    for (name, about, members, empty) in lists {
        cases.push(opens(name, about, &at(members), empty));
    }
    let mut limits = at(&["a"]);
    limits[0].size = 1 << 44;
    limits[0].min_revision = (1 << 53) - 1;
    cases.push(opens("opens-numbers-at-their-limits", "2^44 bytes, revision 2^53 - 1.", &limits, &[]));
}

fn names(cases: &mut Vec<Case>) {
    let (name_256, names_65) = ("n".repeat(256), vec!["n"; 65].join("/"));
    let long = path_of(2_049);
    let paths = [
        ("path-empty", "No name.", ""),
        ("path-absolute", "It begins with a /.", "/etc/passwd"),
        ("path-ends-with-slash", "An empty name at the end.", "a/"),
        ("path-empty-name", "An empty name inside.", "a//b"),
        ("path-dot", "The folder itself.", "."),
        ("path-dot-inside", "The folder itself, inside.", "a/./b"),
        ("path-dot-dot", "The folder above.", ".."),
        ("path-dot-dot-first", "It begins above.", "../a"),
        ("path-dot-dot-inside", "It leads up from inside.", "a/../../b"),
        ("path-backslash", "The other separator.", "a\\b"),
        ("path-nul", "A NUL.", "a\0b"),
        ("path-name-of-256-bytes", "A name that is too long.", &name_256),
        ("path-of-65-names", "A name too many.", &names_65),
        ("path-of-2049-bytes", "A byte too many.", &long),
    ];
    for (name, about, path) in paths {
        cases.push(refused(name, about, &list(&at(&[path]), &[])));
        cases.push(refused(&format!("empty-{name}"), about, &list(&[], &[path])));
    }

    let pairs: [(&str, &str, &[&str], &[&str]); 19] = [
        ("same-path", "A path twice.", &["a", "a"], &[]),
        ("same-but-for-case", "Two names that differ in case.", &["README", "readme"], &[]),
        ("same-but-for-case-of-a-folder", "Two folders that are one.", &["A/b", "a/B"], &[]),
        ("same-composed", "Composed and decomposed.", &["cafe\u{301}", "caf\u{e9}"], &[]),
        ("same-composed-in-capitals", "Decomposed, and in capitals.", &["CAFE\u{301}", "caf\u{e9}"], &[]),
        ("same-sharp-s", "The capital of \u{df} is SS.", &["strasse", "stra\u{df}e"], &[]),
        ("same-sigma", "Both sigmas have one capital.", &["\u{3c2}", "\u{3c3}"], &[]),
        ("same-kelvin", "The sign of the kelvin is a K.", &["k", "\u{212a}"], &[]),
        ("same-long-s", "The capital of the long s is S.", &["s", "\u{17f}"], &[]),
        ("same-dotted-i", "The lower case of \u{130} is two characters.", &["i\u{307}", "\u{130}"], &[]),
        ("same-ligature", "The capital of a ligature is two letters.", &["fi", "\u{fb01}"], &[]),
        ("file-is-a-folder", "A file, and another inside it.", &["a", "a/b"], &[]),
        ("file-is-a-folder-but-for-case", "The same in another case.", &["A", "a/b"], &[]),
        ("file-is-a-folder-far-apart", "Others sort in between.", &["a", "a b", "a.b", "a/b"], &[]),
        ("file-is-an-empty-folder", "A file and an empty folder.", &["a"], &["a"]),
        ("file-in-an-empty-folder", "A folder that is not empty.", &["a/b"], &["a"]),
        ("file-above-an-empty-folder", "A file that would be a folder.", &["a"], &["a/b"]),
        ("empty-folder-twice", "An empty folder twice.", &[], &["a", "a"]),
        ("empty-folder-in-an-empty-one", "The outer one is not empty.", &[], &["a", "a/b"]),
    ];
    for (name, about, members, empty) in pairs {
        let mut members = at(members);
        // Paths that are the same have no ids that are.
        for (n, member) in members.iter_mut().enumerate() {
            member.file_id[15] = u8::try_from(n).expect("few");
        }
        members.sort_by(|one, other| one.path.cmp(&other.path));
        cases.push(refused(name, about, &list(&members, empty)));
    }
    cases.push(refused("not-sorted", "Members in another order.", &list(&at(&["b", "a"]), &[])));
    let about = "Sorted by names and not by bytes.";
    cases.push(refused("sorted-by-names", about, &list(&at(&["a/b", "a b"]), &[])));
    cases.push(refused("empty-folders-not-sorted", "Another order.", &list(&[], &["b", "a"])));
}

fn entries(cases: &mut Vec<Case>) {
    type Change = fn(&mut Entry);
    let changes: [(&str, &str, Change); 10] = [
        ("file-id-of-15-bytes", "A file id that is too short.", |e| e.file_id.truncate(15)),
        ("file-id-of-17-bytes", "A file id that is too long.", |e| e.file_id.push(0)),
        ("key-of-31-bytes", "A key that is too short.", |e| e.fk.truncate(31)),
        ("key-of-33-bytes", "A key that is too long.", |e| e.fk.push(0)),
        ("content-id-of-31-bytes", "A content id that is too short.", |e| e.content_id.truncate(31)),
        ("content-id-of-33-bytes", "A content id that is too long.", |e| e.content_id.push(0)),
        ("size-too-large", "More than 2^44 bytes.", |e| e.size = (1 << 44) + 1),
        ("revision-0", "Revisions count from 1.", |e| e.min_revision = 0),
        ("revision-too-large", "2^53.", |e| e.min_revision = 1 << 53),
        ("path-not-utf-8", "A path that is not UTF-8.", |e| e.path = b"\xff".to_vec()),
    ];
    for (name, about, change) in changes {
        let mut entry = Entry::at("a");
        change(&mut entry);
        cases.push(refused(name, about, &list(&[entry], &[])));
    }
    let mut same = at(&["a", "b"]);
    same[1].file_id = same[0].file_id.clone();
    cases.push(refused("same-file-twice", "Two paths of one file.", &list(&same, &[])));

    let fields = Entry::at("a").fields();
    let of = |fields: &[(u64, Vec<u8>)]| cbor::map(&[(1, cbor::array(&[cbor::map(fields)]))]);
    for (n, (key, _)) in fields.iter().enumerate() {
        let mut without = fields.clone();
        without.remove(n);
        let about = "Each key of an entry is required.";
        cases.push(refused(&format!("entry-without-key-{key}"), about, &of(&without)));
    }
    let mut more = fields.clone();
    more.push((7, cbor::uint(0)));
    cases.push(refused("entry-key-unknown", "A seventh key.", &of(&more)));
    let mut twice = fields.clone();
    twice.push(fields[5].clone());
    cases.push(refused("entry-key-twice", "Key 6 twice.", &of(&twice)));
    let mut swapped = fields.clone();
    swapped.swap(1, 2);
    cases.push(refused("entry-keys-out-of-order", "Key 3 before key 2.", &of(&swapped)));
    for (name, about, n, value) in [
        ("path-of-bytes", "A path that is no text.", 0, cbor::bytes(b"a")),
        ("file-id-of-text", "A file id that is text.", 1, cbor::text(&[b'a'; 16])),
        ("size-negative", "Minus one.", 4, cbor::int(-1)),
        ("revision-of-bytes", "A revision that is no number.", 5, cbor::bytes(&[1])),
    ] {
        let mut other = fields.clone();
        other[n].1 = value;
        cases.push(refused(name, about, &of(&other)));
    }
}

fn spelling(cases: &mut Vec<Case>) {
    let item = Entry::at("a").item();
    let one = || (1, cbor::array(std::slice::from_ref(&item)));
    let folder = || (2, cbor::array(&[cbor::text(b"b")]));
    let honest = cbor::map(&[one()]);
    let long_head = [&[0xa1, 1, 0x98, 1], item.as_slice()].concat();
    let indefinite = [&[0xa1, 1, 0x9f], item.as_slice(), &[0xff]].concat();
    let mut longer = honest.clone();
    longer[2] = 0x82;
    let lists = [
        ("list-of-no-bytes", "Nothing at all.", Vec::new()),
        ("list-of-an-array", "No map.", cbor::array(std::slice::from_ref(&item))),
        ("list-without-members", "Key 1 is required.", cbor::map(&[folder()])),
        ("list-of-an-empty-map", "No key at all.", cbor::map(&[])),
        ("list-key-unknown", "A third key.", cbor::map(&[one(), folder(), (3, cbor::uint(0))])),
        ("list-keys-out-of-order", "Key 2 first.", cbor::map(&[folder(), one()])),
        ("list-key-twice", "Key 1 twice.", cbor::map(&[one(), one()])),
        (
            "list-with-no-empty-folder",
            "Key 2 is left out if there are none.",
            cbor::map(&[one(), (2, cbor::array(&[]))]),
        ),
        ("list-of-members-by-path", "A map of members.", cbor::map(&[(1, cbor::map(&[(1, item.clone())]))])),
        ("list-with-a-long-head", "A count that is not in its shortest form.", long_head),
        ("list-without-a-count", "An array of indefinite length.", indefinite),
        ("list-longer-than-it-is", "Two members are announced.", longer),
        ("list-truncated", "The last byte is missing.", honest[..honest.len() - 1].to_vec()),
        ("list-trailing-byte", "A byte too many.", [honest.as_slice(), &[0]].concat()),
        ("list-framed", "Framed as metadata are.", crate::forge::framed(&honest)),
    ];
    for (name, about, bytes) in lists {
        cases.push(refused(name, about, &bytes));
    }
}

/// A file as a list names it.
fn entry_of(sealed: &Sealed<'_>, content: &[u8]) -> Entry {
    Entry {
        path: b"plans/a.txt".to_vec(),
        file_id: sealed.file.file_id.to_vec(),
        fk: sealed.file.fk.to_vec(),
        content_id: sealed.content_id().to_vec(),
        size: content.len() as u64,
        min_revision: 1,
    }
}

fn members(world: &World, cases: &mut Vec<Case>) {
    let (alice, bob) = (&world.alice, &world.bob);
    let content = pattern(4_000);
    let file = |author: Option<&'static str>| {
        let author = match author {
            Some("mallory") => Some(&world.mallory),
            Some(_) => Some(alice),
            None => None,
        };
        File::new("a member", author, &content)
    };
    let mut push = |name: &str, about: &str, sealed: &Sealed<'_>, entry: Entry, opens: bool, by: &Person| {
        let mut fields = json!({
            "expect": if opens { "open" } else { "refuse" },
            "list": hex(&list(&[Entry::at("other.txt"), entry], &[])),
            "path": "plans/a.txt",
            "manifest": hex(&sealed.manifest()),
            "body": body(&sealed.segments),
            "author": hex(&by.root),
        });
        if opens {
            fields["result"] = json!({
                "name": "report.txt",
                "original_size": content.len(),
                "sha256": hex(&sha256(&[&content])),
            });
        }
        cases.push(case("member", name, about, fields));
    };
    let honest = file(Some("alice")).seal();
    let entry = entry_of(&honest, &content);
    push("opens", "A member, as its list names it.", &honest, entry.clone(), true, alice);
    let mut newer = file(Some("alice"));
    newer.revision = 4;
    let newer = newer.seal();
    let since = Entry { min_revision: 3, ..entry_of(&newer, &content) };
    push("opens-newer-revision", "A revision above the lowest.", &newer, since.clone(), true, alice);
    let about = "A revision below the lowest of the list.";
    push("revision-too-low", about, &newer, Entry { min_revision: 5, ..since }, false, alice);

    type Change = fn(&mut Entry);
    let changes: [(&str, &str, Change); 5] = [
        ("of-another-file", "The list names another file.", |e| e.file_id[3] ^= 1),
        ("of-another-content", "The list names another content.", |e| e.content_id[3] ^= 1),
        ("of-another-key", "The list has another key.", |e| e.fk[3] ^= 1),
        ("size-larger", "A byte more than the file has.", |e| e.size += 1),
        ("size-smaller", "A byte less than the file has.", |e| e.size -= 1),
    ];
    for (name, about, change) in changes {
        let mut changed = entry.clone();
        change(&mut changed);
        push(name, about, &honest, changed, false, alice);
    }
    let stranger = file(Some("mallory")).seal();
    let about = "A file of somebody else, who did not sign the list.";
    push("by-another", about, &stranger, entry_of(&stranger, &content), false, alice);
    let about = "Signed by somebody who is not the author of the list.";
    push("list-by-another", about, &honest, entry.clone(), false, bob);
    let nobody = file(None).seal();
    push("by-nobody", "A member of suite 3.", &nobody, entry_of(&nobody, &content), false, alice);
    let inner = list(&at(&["a"]), &[]);
    let metadata = Metadata { media_type: MEDIA_TYPE.into(), ..Metadata::of(inner.len()) };
    let nested = File::with("a bundle in a bundle", Some(alice), &inner, &metadata).seal();
    let about = "A bundle of files inside another.";
    push("is-a-bundle", about, &nested, entry_of(&nested, &inner), false, alice);
    let mut changed = file(Some("alice")).seal();
    let middle = changed.segments[0].len() / 2;
    changed.segments[0][middle] ^= 1;
    push("body-changed", "A bit of the body.", &changed, entry, false, alice);
}
