//! Every way gives the hash that `aws-lc-rs` gives.

use aws_lc_rs::digest::{SHA256, digest};
use lanes::{Digest, Way, sha256_prefixed, sha256_prefixed_by};
use proptest::prelude::*;

fn expected(prefix: u8, message: &[u8]) -> Digest {
    let whole = [&[prefix], message].concat();
    digest(&SHA256, &whole).as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// Bytes that differ between messages and places.
fn message(seed: usize, len: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(len)
    .collect()
}

fn check(way: Way, prefix: u8, messages: &[Vec<u8>]) {
    let borrowed: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let wanted: Vec<Digest> = messages.iter().map(|m| expected(prefix, m)).collect();
    let lens: Vec<usize> = messages.iter().map(Vec::len).collect();
    assert_eq!(sha256_prefixed_by(way, prefix, &borrowed), wanted, "{way:?} {lens:?}");
}

#[test]
fn every_length_around_the_borders_of_blocks_hashes_as_one_by_one() {
    for way in Way::all() {
        for len in (0..=260).chain([511, 512, 513, 4096, 65_535]) {
            let messages: Vec<_> = (0..way.width()).map(|seed| message(seed, len)).collect();
            check(way, 0, &messages);
        }
    }
}

#[test]
fn whole_segments_hash_as_one_by_one() {
    for way in Way::all() {
        let messages: Vec<_> = (0..2 * way.width() + 1).map(|seed| message(seed, 262_144)).collect();
        check(way, 0, &messages);
    }
}

#[test]
fn any_number_of_messages_comes_back_in_order() {
    for way in Way::all() {
        for count in 0..=40 {
            let messages: Vec<_> = (0..count).map(|seed| message(seed, 100)).collect();
            check(way, 0, &messages);
        }
    }
}

#[test]
fn a_shorter_last_message_does_not_touch_the_others() {
    for way in Way::all() {
        let mut messages: Vec<_> = (0..17).map(|seed| message(seed, 1000)).collect();
        messages.push(message(99, 31));
        check(way, 0, &messages);
    }
}

#[test]
fn the_best_way_is_one_that_the_processor_knows() {
    assert!(Way::all().contains(&Way::best()));
    assert_eq!(sha256_prefixed(0, &[b"abc"]), [expected(0, b"abc")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_mix_of_lengths_and_prefixes_hashes_as_one_by_one(
        prefix: u8,
        lens in prop::collection::vec(prop_oneof![0..300usize, Just(64usize), Just(63usize)], 0..50),
    ) {
        let messages: Vec<_> = lens.iter().enumerate().map(|(seed, len)| message(seed, *len)).collect();
        for way in Way::all() {
            check(way, prefix, &messages);
        }
    }
}
