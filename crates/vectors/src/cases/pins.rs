//! Records of pins.

use super::{Case, World, case, hex};
use crate::cbor;
use crate::forge::Person;
use crate::outward::Pins;
use crate::people::user_id;
use serde_json::{Value, json};

/// The three arrays of a record.
#[derive(Clone)]
struct Record {
    contacts: Vec<Contact>,
    forgotten: Vec<(&'static str, i64)>,
    files: Vec<(Vec<u8>, u64, Vec<u8>)>,
}

#[derive(Clone)]
struct Contact {
    address: &'static str,
    user_id: Vec<u8>,
    root_id: Vec<u8>,
    seq: u64,
    hash: Vec<u8>,
    verified: u64,
    first_seen: i64,
    previous: Vec<(Vec<u8>, u64)>,
}

impl Contact {
    fn of(person: &Person, address: &'static str) -> Self {
        Self {
            address,
            user_id: user_id(person).to_vec(),
            root_id: person.root_id().to_vec(),
            seq: 3,
            hash: vec![0x42; 32],
            verified: 1,
            first_seen: 1_700_000_000,
            previous: Vec::new(),
        }
    }

    fn fields(&self) -> Vec<(u64, Vec<u8>)> {
        let previous: Vec<Vec<u8>> = self
            .previous
            .iter()
            .map(|(root, linked)| cbor::map(&[(1, cbor::bytes(root)), (2, cbor::uint(*linked))]))
            .collect();
        vec![
            (1, cbor::text(self.address.as_bytes())),
            (2, cbor::bytes(&self.user_id)),
            (3, cbor::bytes(&self.root_id)),
            (4, cbor::uint(self.seq)),
            (5, cbor::bytes(&self.hash)),
            (6, cbor::uint(self.verified)),
            (7, cbor::int(self.first_seen)),
            (8, cbor::array(&previous)),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "address": self.address,
            "user_id": hex(&self.user_id),
            "root_id": hex(&self.root_id),
            "seq": self.seq,
            "hash": hex(&self.hash),
            "verified": self.verified == 1,
            "first_seen": self.first_seen,
            "previous": self.previous.iter().map(|(root, linked)| json!([hex(root), *linked == 1])).collect::<Vec<_>>(),
        })
    }
}

fn file_item((id, revision, digest): &(Vec<u8>, u64, Vec<u8>)) -> Vec<u8> {
    cbor::map(&[(1, cbor::bytes(id)), (2, cbor::uint(*revision)), (3, cbor::bytes(digest))])
}

fn forgotten_item((address, at): &(&'static str, i64)) -> Vec<u8> {
    cbor::map(&[(1, cbor::text(address.as_bytes())), (2, cbor::int(*at))])
}

impl Record {
    fn entries(&self) -> Vec<(u64, Vec<u8>)> {
        let contacts: Vec<Vec<u8>> =
            self.contacts.iter().map(|contact| cbor::map(&contact.fields())).collect();
        vec![
            (1, cbor::array(&contacts)),
            (2, cbor::array(&self.forgotten.iter().map(forgotten_item).collect::<Vec<_>>())),
            (3, cbor::array(&self.files.iter().map(file_item).collect::<Vec<_>>())),
        ]
    }

    fn plain(&self) -> Vec<u8> {
        cbor::map(&self.entries())
    }

    fn json(&self) -> Value {
        json!({
            "version": 7,
            "contacts": self.contacts.iter().map(Contact::json).collect::<Vec<_>>(),
            "forgotten": self.forgotten,
            "files": self.files.iter().map(|(id, revision, digest)| json!([hex(id), revision, hex(digest)])).collect::<Vec<_>>(),
        })
    }
}

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    let empty = Record { contacts: Vec::new(), forgotten: Vec::new(), files: Vec::new() };
    let mut bob = Contact::of(&world.bob, "bob@people.example");
    bob.previous = vec![(vec![1; 32], 1), (vec![2; 32], 0)];
    let carol = Contact { verified: 0, seq: 1, ..Contact::of(&world.carol, "carol@people.example") };
    let full = Record {
        contacts: vec![bob, carol],
        forgotten: vec![("mallory@people.example", 1_700_000_500)],
        files: vec![(vec![3; 16], 2, vec![4; 32]), (vec![5; 16], 9, vec![6; 32])],
    };
    let mut push = |name: &str, about: &str, pins: &[u8], opened: Option<&Record>| {
        let mut fields = json!({
            "expect": if opened.is_some() { "open" } else { "refuse" },
            "pins": hex(pins),
            "user_id": hex(&user_id(&world.alice)),
            "root_seed": hex(&world.alice.root_seed),
        });
        if let Some(opened) = opened {
            fields["result"] = opened.json();
        }
        cases.push(case("pins", name, about, fields));
    };
    let alice = &world.alice;
    let sealed = |plain: Vec<u8>| Pins::new(alice, plain).signed(alice);
    push("opens-empty", "Nobody and nothing.", &sealed(empty.plain()), Some(&empty));
    push("opens", "Contacts, one that was forgotten, and files.", &sealed(full.plain()), Some(&full));
    let mut most = full.clone();
    most.contacts[0].previous = (0..16).map(|n| (vec![n; 32], 1)).collect();
    push("opens-16-roots-before", "As many roots as are kept.", &sealed(most.plain()), Some(&most));

    outside(world, &full, &mut push);
    inside(&full, &mut |name, about, plain| push(name, about, &sealed(plain), None));
}

/// Takes a case: its name, what it is about, the record, and what opening it gives.
type Push<'p> = dyn FnMut(&str, &str, &[u8], Option<&Record>) + 'p;

fn outside(world: &World, full: &Record, push: &mut Push<'_>) {
    let (alice, bob) = (&world.alice, &world.bob);
    let context = "waxwing/v1/pins-signature";
    let honest = Pins::new(alice, full.plain());
    let (head, bytes) = (honest.head(), honest.signed(alice));
    let body = honest.body(&head, alice);
    let versioned = |version| Pins { version, ..Pins::new(alice, full.plain()) }.signed(alice);
    let other_user = Pins { user_id: user_id(bob), ..Pins::new(alice, full.plain()) };
    let other_head = Pins { version: 8, ..Pins::new(alice, full.plain()) };
    let mut magic = bytes.clone();
    magic[7] = b'2';
    let mut bit = bytes.clone();
    bit[150] ^= 1;
    let cases: [(&str, &str, Vec<u8>); 12] = [
        ("version-0", "Versions count from 1.", versioned(0)),
        ("version-too-large", "2^53.", versioned(1 << 53)),
        ("of-another-user", "The id of somebody else.", other_user.signed(alice)),
        (
            "by-another-root",
            "A record by a root that is not the present one.",
            Pins::new(alice, full.plain()).signed(bob),
        ),
        (
            "signed-by-another",
            "The body is right, the signature is somebody else's.",
            honest.with(&body, context, bob),
        ),
        ("signed-as-a-bundle", "Another label.", honest.with(&body, "waxwing/v1/identity", alice)),
        (
            "sealed-by-another",
            "The signature is right, the body is under another key.",
            honest.with(&honest.body(&head, bob), context, alice),
        ),
        (
            "sealed-for-another-version",
            "The body of another version.",
            other_head.with(&body, context, alice),
        ),
        ("body-changed", "A bit of the body.", bit),
        ("magic-of-another-version", "Another version of the format.", magic),
        ("truncated", "The last byte is missing.", bytes[..bytes.len() - 1].to_vec()),
        ("trailing-byte", "A byte too many.", [bytes.as_slice(), &[0]].concat()),
    ];
    for (name, about, bytes) in cases {
        push(name, about, &bytes, None);
    }
    let short = &honest.head();
    push("without-a-body", "Head and signature alone.", &[short.as_slice(), &[0; 64]].concat(), None);
}

fn inside(full: &Record, push: &mut dyn FnMut(&str, &str, Vec<u8>)) {
    type Change = fn(&mut Record);
    let changes: [(&str, &str, Change); 20] = [
        ("contacts-out-of-order", "Descending addresses.", |r| r.contacts.reverse()),
        ("contact-twice", "An address twice.", |r| r.contacts[1].address = "bob@people.example"),
        ("contact-address-not-canonical", "A domain in capitals.", |r| {
            r.contacts[0].address = "bob@People.example"
        }),
        ("contact-address-without-domain", "No address.", |r| r.contacts[0].address = "bob"),
        ("contact-user-id-of-15-bytes", "An id that is too short.", |r| r.contacts[0].user_id.truncate(15)),
        ("contact-root-of-33-bytes", "A root id that is too long.", |r| r.contacts[0].root_id.push(0)),
        ("contact-number-0", "Bundles count from 1.", |r| r.contacts[0].seq = 0),
        ("contact-number-too-large", "2^32: the number of a bundle has four bytes.", |r| {
            r.contacts[0].seq = 1 << 32
        }),
        ("contact-hash-of-31-bytes", "A hash that is too short.", |r| r.contacts[0].hash.truncate(31)),
        ("contact-verified-2", "Neither yes nor no.", |r| r.contacts[0].verified = 2),
        ("contact-17-roots-before", "A root too many.", |r| {
            r.contacts[0].previous = vec![(vec![1; 32], 1); 17]
        }),
        ("contact-root-before-linked-2", "Neither yes nor no.", |r| r.contacts[0].previous[0].1 = 2),
        ("contact-root-before-of-31-bytes", "A root id that is too short.", |r| {
            r.contacts[0].previous[0].0.truncate(31)
        }),
        ("forgotten-out-of-order", "Descending addresses.", |r| {
            r.forgotten = vec![("b@people.example", 1), ("a@people.example", 1)];
        }),
        ("forgotten-twice", "An address twice.", |r| r.forgotten.push(r.forgotten[0])),
        ("files-out-of-order", "Descending ids.", |r| r.files.reverse()),
        ("file-twice", "A file twice.", |r| r.files[1].0 = vec![3; 16]),
        ("file-id-of-17-bytes", "An id that is too long.", |r| r.files[0].0.push(0)),
        ("file-revision-too-large", "2^53.", |r| r.files[0].1 = 1 << 53),
        ("file-digest-of-31-bytes", "A digest that is too short.", |r| r.files[0].2.truncate(31)),
    ];
    for (name, about, change) in changes {
        let mut changed = full.clone();
        change(&mut changed);
        push(name, about, changed.plain());
    }
    let entries = full.entries();
    for (n, key) in [1, 2, 3].into_iter().enumerate() {
        let mut without = entries.clone();
        without.remove(n);
        push(&format!("without-key-{key}"), "Each key is required.", cbor::map(&without));
    }
    let mut more = entries.clone();
    more.push((4, cbor::array(&[])));
    push("key-unknown", "A fourth key.", cbor::map(&more));
    let mut swapped = entries.clone();
    swapped.swap(0, 1);
    push("keys-out-of-order", "Key 2 first.", cbor::map(&swapped));
    let fields = full.contacts[0].fields();
    for (n, (key, _)) in fields.iter().enumerate() {
        let mut without = fields.clone();
        without.remove(n);
        let mut changed = entries.clone();
        changed[0].1 = cbor::array(&[cbor::map(&without)]);
        push(&format!("contact-without-key-{key}"), "Each key is required.", cbor::map(&changed));
    }
    let mut more = fields;
    more.push((9, cbor::uint(0)));
    let mut changed = entries;
    changed[0].1 = cbor::array(&[cbor::map(&more)]);
    push("contact-key-unknown", "A ninth key.", cbor::map(&changed));
    let plain = full.plain();
    push(
        "byte-behind-the-map",
        "A zero behind the CBOR: there is no padding.",
        [plain.as_slice(), &[0]].concat(),
    );
    push("map-truncated", "The last byte of the CBOR is missing.", plain[..plain.len() - 1].to_vec());
}
