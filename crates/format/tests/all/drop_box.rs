//! Drop boxes: their address, what their owner signs, and what a visitor seals.

use envelope::{BoxDescription, BoxId, BoxTerms, RootId};
use format::drop_box::{
    BoxAddress, BoxKey, BoxWords, NOTE_MAX, TITLE_MAX, box_id, longest_body, open_box, seal_box,
};
use format::{Identity, OpenError, SealError, Secret};

const ORIGIN: &str = "https://files.example:8443";

fn terms(owner: &Identity, id: BoxId) -> BoxTerms {
    BoxTerms {
        box_id: id,
        owner: owner.root_id(),
        created: 1_800_000_000,
        ends: 1_800_600_000,
        max_files: 10,
        max_body: longest_body(5_000_000).unwrap(),
    }
}

fn words() -> BoxWords {
    BoxWords::new("Applications, autumn", "One file each, please.\nNo photographs.").unwrap()
}

fn key(byte: u8) -> BoxKey {
    BoxKey::from_secret(Secret::from_bytes([byte; 32]))
}

#[test]
fn the_words_come_back_to_whoever_has_the_key_and_to_the_owner() {
    let alice = Identity::generate();
    let id = box_id();
    let description = seal_box(&alice, &terms(&alice, id), &words()).unwrap();
    let key = alice.box_key(alice.root_id(), id).unwrap();
    let root = alice.root().public();
    assert_eq!(open_box(&description, id, root, Some(&key)).unwrap(), Some(words()));
    assert_eq!(open_box(&description, id, root, None).unwrap(), None, "an address without the key");
    assert_eq!(*description.terms(), terms(&alice, id));
    let short = BoxWords::new("x", "").unwrap();
    let plain = seal_box(&alice, &terms(&alice, id), &short).unwrap();
    assert_eq!(open_box(&plain, id, root, Some(&key)).unwrap(), Some(short));
    // The length tells no more than the block that words fall into.
    let other = BoxWords::new("Somewhat longer than that", "").unwrap();
    let other = seal_box(&alice, &terms(&alice, id), &other).unwrap();
    assert_eq!(plain.as_bytes().len(), other.as_bytes().len());
}

#[test]
fn words_open_by_the_key_of_their_own_box_and_root_alone() {
    let alice = Identity::generate();
    let (id, other) = (box_id(), box_id());
    let description = seal_box(&alice, &terms(&alice, id), &words()).unwrap();
    let root = alice.root().public();
    // Of another box, and of a root that is not hers.
    let wrong = alice.box_key(alice.root_id(), other).unwrap();
    assert_eq!(open_box(&description, id, root, Some(&wrong)), Err(OpenError::NotAuthentic));
    assert!(alice.box_key(Identity::generate().root_id(), id).is_none());
}

#[test]
fn no_altered_byte_of_a_description_is_taken() {
    let (alice, mallory) = (Identity::generate(), Identity::generate());
    let id = box_id();
    let description = seal_box(&alice, &terms(&alice, id), &words()).unwrap();
    let key = alice.box_key(alice.root_id(), id).unwrap();
    let root = alice.root().public();
    for at in 0..description.as_bytes().len() {
        let mut bytes = description.as_bytes().to_vec();
        bytes[at] ^= 1;
        let Ok(altered) = BoxDescription::parse(bytes) else { continue };
        for key in [Some(&key), None] {
            assert_eq!(open_box(&altered, id, root, key), Err(OpenError::NotAuthentic), "{at}");
        }
    }
    let theirs = seal_box(&mallory, &terms(&mallory, id), &words()).unwrap();
    assert_eq!(open_box(&theirs, id, root, None), Err(OpenError::NotAuthentic), "by another owner");
    assert_eq!(open_box(&description, box_id(), root, None), Err(OpenError::NotAuthentic), "of another box");
    assert_eq!(
        open_box(&description, id, mallory.root().public(), None),
        Err(OpenError::NotAuthentic),
        "by another root than it names"
    );
    assert_eq!(seal_box(&mallory, &terms(&alice, id), &words()), Err(SealError::Grantor));
}

#[test]
fn a_description_that_contradicts_itself_or_goes_on_is_refused() {
    let alice = Identity::generate();
    let id = box_id();
    let good = terms(&alice, id);
    for (what, wrong) in [
        ("ends before it begins", BoxTerms { ends: good.created, ..good }),
        ("no body has that length", BoxTerms { max_body: 31, ..good }),
        ("longer than any body", BoxTerms { max_body: (1 << 44) + 1, ..good }),
        ("beyond every integer", BoxTerms { ends: 1 << 53, ..good }),
    ] {
        assert!(matches!(seal_box(&alice, &wrong, &words()), Err(SealError::Layout(_))), "{what}");
    }
    let bytes = seal_box(&alice, &good, &words()).unwrap().as_bytes().to_vec();
    assert!(BoxDescription::parse([bytes.as_slice(), &[0]].concat()).is_err());
    for len in 0..bytes.len() {
        assert!(BoxDescription::parse(&bytes[..len]).is_err(), "{len}");
    }
    // An owner of zeros is nobody.
    let mut nobody = bytes;
    nobody[24..56].fill(0);
    assert!(BoxDescription::parse(nobody).is_err());
}

#[test]
fn words_have_bounds_and_no_control_characters() {
    for (title, note) in [
        ("", ""),
        ("\u{1b}[31m", ""),
        ("a\nb", ""),
        ("a", "\u{7}"),
        (&*"t".repeat(TITLE_MAX + 1), ""),
        ("a", &*"n".repeat(NOTE_MAX + 1)),
    ] {
        assert!(BoxWords::new(title, note).is_err(), "{title:?} {note:?}");
    }
    let longest = BoxWords::new(&"t".repeat(TITLE_MAX), &"n".repeat(NOTE_MAX)).unwrap();
    let plain = longest.encode().unwrap();
    assert_eq!(BoxWords::decode(&plain).unwrap(), longest);
    let mut padded = plain.to_vec();
    *padded.last_mut().unwrap() = 1;
    assert!(BoxWords::decode(&padded).is_err(), "padding that is not zero");
    padded.extend_from_slice(&[0; 512]);
    assert!(BoxWords::decode(&padded).is_err(), "a block too many");
    assert!(BoxWords::decode(&[]).is_err());
}

#[test]
fn every_file_of_the_size_that_was_named_fits_the_longest_body() {
    for most in [0, 1, 4_096, 4_097, 5_000_000, 123_456_789, 1 << 40] {
        let body = longest_body(most).unwrap();
        for size in [0, most / 2, most.saturating_sub(1), most] {
            assert!(longest_body(size).unwrap() <= body, "{size} of {most}");
        }
    }
    assert_eq!(longest_body(u64::MAX), None);
}

#[test]
fn an_address_has_one_spelling_with_its_key_and_without() {
    let (id, root) = (BoxId::from_bytes([0xfb; 16]), RootId::from_bytes([0xaa; 32]));
    for has_key in [true, false] {
        let address = BoxAddress::new(ORIGIN, id, has_key.then(|| key(5)), root).unwrap();
        let text = address.expose_secret().to_string();
        let mark = if has_key { "1k" } else { "1" };
        assert!(text.starts_with(&format!("{ORIGIN}/d/{id}#{mark}.")), "{text}");
        let again = BoxAddress::parse(&text).unwrap();
        assert_eq!(*again.expose_secret(), text);
        assert_eq!((again.origin(), again.id(), again.owner()), (ORIGIN, id, root));
        assert_eq!(again.key().is_some(), has_key);
        let (head, rest) = text.split_once('#').unwrap();
        let last = text.len() - 1;
        for wrong in [
            head.to_owned(),
            text[..last].to_owned(),
            format!("{text}A"),
            format!("{text}="),
            format!("{text}."),
            format!(" {text}"),
            format!("{text}\n"),
            text.replace("https", "http"),
            text.replace("/d/", "/s/"),
            text.replace("/d/", "/x/d/"),
            text.replace("files.example", "me@files.example"),
            text.replace("files.example", "FILES.example"),
            text.replace('#', "?"),
            format!("{head}#{}", rest.replacen(mark, "2", 1)),
            format!("{head}#{}", rest.replacen(mark, "1p", 1)),
            format!("{head}#{}", rest.replacen('.', "..", 1)),
            format!("{head}#{}", rest.replacen('.', "", 1)),
            // Loose bits behind the last byte of the root.
            format!("{}p", &text[..last]),
            String::new(),
        ] {
            assert!(BoxAddress::parse(&wrong).is_err(), "{wrong}");
        }
        // One form never reads as the other.
        let swapped = format!("{head}#{}", rest.replacen(mark, if has_key { "1" } else { "1k" }, 1));
        assert!(BoxAddress::parse(&swapped).is_err(), "{swapped}");
    }
}

#[test]
fn a_box_prints_nothing_by_chance() {
    let address = BoxAddress::new(ORIGIN, box_id(), Some(key(5)), RootId::from_bytes([9; 32])).unwrap();
    let printed = format!("{:?} {:?} {:?} {:?}", key(5), address, words(), box_id());
    assert!(!printed.contains("example") && !printed.contains("autumn"), "{printed}");
    assert!(printed.chars().all(|c| !c.is_ascii_digit()), "{printed}");
}
