//! Chains of bundles, made honestly and with every kind of slip, against a second judge.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use envelope::bundle::{BundleBody, MAX_CHAIN, ROTATION_CONTEXT, SIGNATURE_CONTEXT, verify_chain};
use envelope::ed25519::PublicKey;
use envelope::{Bundle, UserId};

use crate::input::Input;

/// What went into one bundle.
struct Link {
    user: u8,
    seq: u32,
    hash_is_right: bool,
    root: usize,
    prev_root: Option<usize>,
    signer: usize,
    prev_signer: usize,
}

/// Four bytes make one bundle; the verdict over all of them must be the one that what went into
/// them calls for.
pub fn bundle_chain(data: &[u8]) {
    let keys = [1_u8, 2, 3].map(|seed| {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any 32 bytes are an Ed25519 seed")
    });
    let mut input = Input::new(data);
    let (mut links, mut bundles): (Vec<Link>, Vec<Bundle>) = (Vec::new(), Vec::new());
    while !input.is_empty() && bundles.len() < MAX_CHAIN + 4 {
        let link = read_link(&mut input, links.last());
        let prev_hash = bundles.last().map_or([7; 32], Bundle::hash);
        let Some(bundle) = make(&link, prev_hash, &keys) else { continue };
        links.push(link);
        bundles.push(bundle);
    }
    assert_eq!(verify_chain(&bundles).is_ok(), is_chain(&links));
}

fn read_link(input: &mut Input<'_>, before: Option<&Link>) -> Link {
    let (flags, step, roots, signers) = (input.u8(), input.u8(), input.u8(), input.u8());
    let seq = before.map_or(0, |link| link.seq);
    Link {
        user: flags & 1,
        seq: match step {
            0..=0xef => seq.wrapping_add(1),
            0xf0..=0xf7 => seq,
            0xf8..=0xfb => seq.wrapping_add(2),
            0xfc..=0xfd => u32::MAX,
            _ => 1,
        },
        hash_is_right: flags & 2 == 0,
        root: usize::from(roots % 3),
        prev_root: usize::from(roots >> 4).checked_sub(1).map(|root| root % 3),
        signer: usize::from((roots % 3 + signers % 3) % 3),
        prev_signer: usize::from(signers >> 4) % 3,
    }
}

fn make(link: &Link, prev_hash: [u8; 32], keys: &[Ed25519KeyPair; 3]) -> Option<Bundle> {
    let public = |n: usize| -> PublicKey {
        PublicKey::from_bytes(keys[n].public_key().as_ref().try_into().expect("32 bytes"))
    };
    let mut hash = if link.seq == 1 { [0; 32] } else { prev_hash };
    if !link.hash_is_right && link.seq != 1 {
        hash[31] ^= 1;
    }
    let body = BundleBody {
        user_id: UserId::from_bytes([link.user; 16]),
        seq: link.seq,
        prev_hash: hash,
        root_key: public(link.root),
        prev_root: link.prev_root.map(public),
        created: 5,
        min_format: 1,
        address: "a@b.example".parse().expect("an address"),
        keys: Vec::new(),
    };
    let mut bytes = body.encode().expect("it is short");
    let signature = keys[link.signer].sign(&[SIGNATURE_CONTEXT, &bytes].concat());
    let linked = link.prev_root.map(|_| keys[link.prev_signer].sign(&[ROTATION_CONTEXT, &bytes].concat()));
    bytes.extend_from_slice(signature.as_ref());
    match linked {
        Some(linked) => bytes.extend_from_slice(linked.as_ref()),
        None => bytes.extend_from_slice(&[0; 64]),
    }
    let parsed = Bundle::parse(bytes);
    assert_eq!(parsed.is_ok(), link.seq != 0);
    parsed.ok()
}

fn is_chain(links: &[Link]) -> bool {
    let is_signed =
        |link: &Link| link.signer == link.root && link.prev_root.is_none_or(|root| root == link.prev_signer);
    let follows = |pair: &[Link]| {
        let (before, after) = (&pair[0], &pair[1]);
        after.user == before.user
            && u64::from(after.seq) == u64::from(before.seq) + 1
            && after.hash_is_right
            && (after.root == before.root || after.prev_root == Some(before.root))
    };
    (1..=MAX_CHAIN + 1).contains(&links.len()) && links.iter().all(is_signed) && links.windows(2).all(follows)
}
