//! Layouts without secrets: what parses serialises to the same bytes, field by field.

use envelope::bundle::BundleBody;
use envelope::ed25519::PublicKey;
use envelope::merkle::{Accumulator, Node, join, nodes_at_level, nodes_to_bytes, parse_nodes, root};
use envelope::pins::PinsLayout;
use envelope::segment::{SEGMENT_LEN, SEGMENT_OVERHEAD, check_framing};
use envelope::small::{HEADER_LEN, PARAMETERS, check_small};
use envelope::vault::VaultLayout;
use envelope::{BoxDescription, Bundle, Grant, MAX_INTEGER, Manifest, Suite, Wrap};

use format::BoxWords;
use format::pins::PinRecord;

use crate::input::Input;

/// A manifest: its fields, written again, are its bytes.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = Manifest::parse(data) else { return };
    assert_eq!(manifest.as_bytes(), data);
    assert!(data.len() <= envelope::manifest::MAX_LEN);
    assert!((1..=MAX_INTEGER).contains(&manifest.revision()));
    let mut again = manifest.head().encode(manifest.metadata()).expect("what parsed has a layout");
    assert_eq!(again, manifest.authenticated_bytes());
    again.extend_from_slice(manifest.hmac());
    assert_eq!(again, manifest.signed_bytes());
    if let Some(signature) = manifest.signature() {
        again.extend_from_slice(signature.as_bytes());
    }
    assert_eq!(again, data);
    assert_eq!(manifest.signature().is_some(), manifest.suite() == Suite::Signed);
    assert_eq!(manifest.author_root_id().is_zero(), manifest.suite() == Suite::Anonymous);
    assert_eq!(manifest.body().body_len(), manifest.body_len());
    assert_eq!((manifest.metadata().len() - 106) % 512, 0);
    let changed_name = Manifest::parse(data).expect("the same bytes parse again");
    assert_eq!(changed_name.content_id(), manifest.content_id());
}

/// A grant: its fields, written again, are its bytes.
pub fn grant(data: &[u8]) {
    let Ok(grant) = Grant::parse(data) else { return };
    assert_eq!(grant.as_bytes(), data);
    assert!(data.len() <= envelope::grant::MAX_LEN);
    let mut again =
        grant.head().encode(grant.encapsulated_key(), grant.wrapped_key()).expect("what parsed has a layout");
    assert_eq!(again, grant.signed_bytes());
    if let Some(signature) = grant.signature() {
        again.extend_from_slice(signature.as_bytes());
    }
    assert_eq!(again, data);
    assert_eq!(grant.signature().is_some(), grant.suite() == Suite::Signed);
    assert_eq!(grant.grantor_root_id().is_zero(), grant.suite() == Suite::Anonymous);
    assert!(grant.min_revision() <= MAX_INTEGER && grant.not_after() <= MAX_INTEGER);
    let (encapsulated, wrapped) = (grant.encapsulated_key().len(), grant.wrapped_key().len());
    match grant.wrap() {
        Wrap::RsaOaep => assert!(encapsulated == 0 && [256, 384, 512].contains(&wrapped)),
        Wrap::XWing => assert_eq!((encapsulated, wrapped), (1120, 48)),
        Wrap::Link => {
            assert_eq!((encapsulated, wrapped), (0, 138));
            assert!(grant.recipient_id().as_bytes()[16..].iter().all(|byte| *byte == 0));
        }
    }
}

/// A bundle: its fields, written again, are its bytes; asking for its signatures never panics.
pub fn bundle(data: &[u8]) {
    let Ok(bundle) = Bundle::parse(data) else { return };
    assert_eq!(bundle.as_bytes(), data);
    let body: BundleBody = bundle.body().clone();
    let again = body.encode().expect("what parsed has a layout");
    assert_eq!(again, bundle.signed_bytes());
    assert_eq!(again.len() + 128, data.len());
    assert!(bundle.seq() > 0);
    assert_eq!(bundle.seq() == 1, *bundle.prev_hash() == [0; 32]);
    assert_eq!(bundle.prev_root().is_none(), data[data.len() - 64..] == [0; 64]);
    assert!(bundle.address().as_str().len() <= 254);
    let verdict = bundle.verify();
    assert_eq!(bundle.verify(), verdict);
    let _ = bundle.follows(&bundle);
}

/// The outside of a vault: its parts, written again, are its bytes.
pub fn vault_layout(data: &[u8]) {
    let Ok(layout) = VaultLayout::parse(data) else { return };
    assert_eq!(layout.to_bytes(), data);
    assert!(data.len() <= envelope::vault::MAX_LEN);
    assert_eq!([layout.head().as_slice(), layout.body()].concat(), data);
    assert!((1..=255).contains(&layout.slots().len()));
    let head = VaultLayout::head_bytes(layout.user_id(), layout.version(), layout.slots());
    assert_eq!(head, Ok(layout.head()));
}

/// The outside of a record of pins: its parts, written again, are its bytes.
pub fn pins_outside(data: &[u8]) {
    let Ok(layout) = PinsLayout::parse(data) else { return };
    assert_eq!(layout.to_bytes(), data);
    assert!(data.len() <= envelope::pins::MAX_LEN);
    assert!((1..=MAX_INTEGER).contains(&layout.version()));
    assert_eq!(
        PinsLayout::head(layout.user_id(), layout.version()).as_slice(),
        &data[..envelope::pins::HEAD_LEN]
    );
}

/// What a record of pins says, behind its seal: what is read, written again, is its bytes.
pub fn pins_inside(data: &[u8]) {
    let Ok(record) = PinRecord::decode(data) else { return };
    let Ok(again) = record.encode() else {
        assert!(data.len() > envelope::small::SMALL_PLAIN_MAX, "what was read can be written");
        return;
    };
    assert_eq!(*again, data);
}

/// The description of a drop box: its fields, written again, are its bytes; asking for its signature never panics.
pub fn box_description(data: &[u8]) {
    let Ok(description) = BoxDescription::parse(data) else { return };
    assert_eq!(description.as_bytes(), data);
    assert!(data.len() <= envelope::drop_box::MAX_LEN);
    let terms = *description.terms();
    assert!(terms.created < terms.ends && terms.ends <= MAX_INTEGER && !terms.owner.is_zero());
    let mut again = terms.encode(description.words()).expect("what parsed has a layout");
    assert_eq!((description.words().len() - 106) % 512, 0);
    again.extend_from_slice(description.signature().as_bytes());
    assert_eq!(again, data);
    let root = PublicKey::from_bytes(data[24..56].try_into().expect("the owner has 32 bytes"));
    assert!(description.verify(&root).is_err(), "a root id is not the key that it is of");
}

/// The words of a drop box, behind their seal: what is read, written again, is its bytes.
pub fn box_words(data: &[u8]) {
    let Ok(words) = BoxWords::decode(data) else { return };
    assert_eq!(*words.encode().expect("what was read can be written"), data);
    let shown = [words.title(), words.note()].concat();
    assert!(shown.chars().all(|c| !c.is_control() || c == '\n') && !words.title().contains('\n'));
}

/// The outside of a small message, against the rule written a second time.
pub fn small_outside(data: &[u8]) {
    let well_formed = (106..=74 + 262_144).contains(&data.len())
        && data[..10] == PARAMETERS
        && u32::from_be_bytes([data[74], data[75], data[76], data[77]]) as usize == data.len() - HEADER_LEN;
    assert_eq!(check_small(data, "small message").is_ok(), well_formed);
}

/// The framing of a segment of any length: flag 1, length 4, word 4, from the front of the bytes.
pub fn framing(data: &[u8]) {
    let mut input = Input::new(data);
    let is_final = input.u8() & 1 == 1;
    let len = input.u32() as usize % (SEGMENT_LEN + 3);
    let word: [u8; 4] = input.array();
    let mut segment = vec![0x5a; len];
    let prefix = len.min(4);
    segment[..prefix].copy_from_slice(&word[..prefix]);
    let expected = if is_final {
        (SEGMENT_OVERHEAD..=SEGMENT_LEN).contains(&len) && u32::from_be_bytes(word) as usize == len
    } else {
        len == SEGMENT_LEN && word == [0xff; 4]
    };
    assert_eq!(check_framing(&segment, is_final).is_ok(), expected);
}

/// A list of nodes: its bytes again; its root is the one that the definition of RFC 9162 gives,
/// over the leaves and over the nodes of any level.
pub fn nodes(data: &[u8]) {
    let Ok(nodes) = parse_nodes(data) else {
        assert!(!data.len().is_multiple_of(32));
        return;
    };
    assert_eq!(nodes_to_bytes(&nodes), data);
    let expected = (!nodes.is_empty()).then(|| tree_head(&nodes));
    assert_eq!(root(&nodes), expected);
    for level in 0..8 {
        assert_eq!(root(&nodes_at_level(&nodes, level)), expected);
    }
    let mut accumulator = Accumulator::new();
    for (n, node) in nodes.iter().enumerate() {
        assert_eq!(accumulator.is_empty(), n == 0);
        accumulator.push(*node);
    }
    assert_eq!(accumulator.len(), nodes.len() as u64);
    assert_eq!(accumulator.root(), expected);
}

/// MTH of RFC 9162 section 2.1.1: split at the largest power of two that is smaller than the count.
fn tree_head(nodes: &[Node]) -> Node {
    if let [only] = nodes {
        return *only;
    }
    let mut split = 1;
    while split * 2 < nodes.len() {
        split *= 2;
    }
    join(&tree_head(&nodes[..split]), &tree_head(&nodes[split..]))
}
