//! Offline containers, as somebody hands them over.

use std::sync::LazyLock;

use envelope::UserId;
use envelope::container::{Head, read_leaves};
use envelope::merkle::Node;
use format::Identity;
use format::grant::{RecipientKey, SealGrant, seal_grant};
use format::identity::BundleParams;

use crate::file::SmallFile;
use crate::input::Input;
use crate::opening::edit;

/// Any bytes: what reads as the beginning of a container is written as the same bytes.
pub fn container_head(data: &[u8]) {
    read(data);
}

/// Flags 1, then edits of five bytes on a real container: what still reads is written as the same
/// bytes, and of a signed file nothing counts that its author did not sign.
pub fn altered_container(data: &[u8]) {
    let mut input = Input::new(data);
    let (head, container) = &CONTAINERS[usize::from(input.u8() & 1)];
    let mut bytes = container.clone();
    while !input.is_empty() {
        let (at, kind, value) = (usize::from(input.u16()), input.u8(), input.array::<2>());
        edit(&mut bytes, at, kind >> 1, value);
    }
    let Some(found) = read(&bytes) else {
        assert!(bytes != *container, "the real one reads");
        return;
    };
    if let Some(author) = &head.author {
        assert!(found.author.as_ref() == Some(author));
        // The manifest's own signature is looked at when the file is opened.
        assert!(found.manifest == head.manifest || found.manifest.verify(author.root_key()).is_err());
        assert!(found.grants.iter().all(|grant| head.grants.contains(grant)));
    }
}

/// Head and leaves, if they read; the leaves never give more than there are segments.
fn read(bytes: &[u8]) -> Option<Head> {
    let mut source = bytes;
    let head = Head::read(&mut source, |_| true).ok()?;
    let mut again = Vec::new();
    head.write(&mut again).expect("memory takes everything");
    let taken = bytes.len() - source.len();
    assert!(again == bytes[..taken] && head.encoded_len() == taken as u64);
    let anew = Head::new(head.manifest.clone(), head.author.clone(), head.grants.clone());
    assert!(anew.as_ref() == Ok(&head), "what reads can be made");
    let mut backwards = head.grants.clone();
    backwards.reverse();
    assert!(Head::new(head.manifest.clone(), head.author.clone(), backwards).as_ref() == Ok(&head));
    let mut none = bytes;
    let kept = Head::read(&mut none, |_| false).expect("keeping nothing changes nothing else");
    assert!(kept.grants.is_empty() && none.len() == source.len());
    let mut leaves: Vec<Node> = Vec::new();
    let proven = read_leaves(&mut source, &head.manifest, |leaf| {
        leaves.push(leaf);
        Ok(())
    });
    if proven.is_ok() {
        assert_eq!(envelope::merkle::root(&leaves), Some(head.manifest.body_root()));
        assert_eq!(leaves.len() as u64, head.manifest.body().segments());
    }
    Some(head)
}

/// A signed and an anonymous container, with two grants each.
static CONTAINERS: LazyLock<[(Head, Vec<u8>); 2]> = LazyLock::new(|| [make(true), make(false)]);

/// The bytes of the real containers, for seeds.
pub fn real_containers() -> [&'static [u8]; 2] {
    [&CONTAINERS[0].1, &CONTAINERS[1].1]
}

fn make(is_signed: bool) -> (Head, Vec<u8>) {
    let identity = Identity::generate();
    let author = is_signed.then(|| identity.root());
    let SmallFile { fk, manifest, leaf, body } = SmallFile::seal(author, b"7 bytes", None);
    let seal = SealGrant { fk: &fk, manifest: &manifest, grantor: author, min_revision: 1, not_after: 0 };
    let grants = [Identity::generate(), Identity::generate()].map(|reader| {
        let key = RecipientKey::xwing(Some(reader.root_id()), reader.xwing_public()).expect("a fresh key");
        seal_grant(&seal, &key).expect("it is sound")
    });
    let params = BundleParams {
        user_id: UserId::from_bytes([5; 16]),
        address: "a@b.example".parse().expect("an address"),
        seq: 1,
        prev_hash: [0; 32],
        created: 1,
        min_format: 1,
    };
    let bundle = author.map(|_| identity.bundle(&params).expect("it is sound"));
    let head = Head::new(manifest, bundle, grants.into()).expect("the parts belong together");
    let mut bytes = Vec::new();
    head.write(&mut bytes).expect("memory takes everything");
    bytes.extend_from_slice(leaf.as_bytes());
    bytes.extend_from_slice(&body);
    (head, bytes)
}
