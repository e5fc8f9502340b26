//! Which stores a blob is put into: the preferred one first, then by a rendezvous hash of its name.
//!
//! Every store gets a number from its label and the blob's name, and the highest come first. When a store is
//! added or taken away, only the blobs for which it comes first change their places. The numbers are part of the
//! layout: servers of different versions must agree on them.

use std::cmp::Reverse;

use crate::BlobName;

/// The indices of all stores in the order in which a blob of that name is looked for.
pub(super) fn order<'a>(
    name: BlobName,
    labels: impl Iterator<Item = &'a str>,
    preferred: Option<usize>,
) -> Vec<usize> {
    let mut ranked: Vec<_> = labels
        .enumerate()
        .map(|(index, label)| (Some(index) != preferred, Reverse(weight(name, label)), index))
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(.., index)| index).collect()
}

/// FNV-1a (64 bit) over the label and the name, spread by the finaliser of SplitMix64. Names are random, so that
/// nobody can choose where blobs gather.
fn weight(name: BlobName, label: &str) -> u64 {
    let octets = label.as_bytes().iter().chain(name.as_bytes());
    let hash = octets.fold(0xcbf2_9ce4_8422_2325_u64, |hash, &octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [&str; 3] = ["one", "two", "three"];

    #[test]
    fn places_do_not_depend_on_the_order_of_configuration() {
        let turned = ["three", "one", "two"];
        for _ in 0..100 {
            let name = BlobName::generate();
            let here = order(name, LABELS.into_iter(), None).into_iter().map(|index| LABELS[index]);
            let there = order(name, turned.into_iter(), None).into_iter().map(|index| turned[index]);
            assert!(here.eq(there));
        }
    }

    #[test]
    fn the_preferred_store_comes_first_and_the_others_stay_in_order() {
        let name = BlobName::generate();
        let plain = order(name, LABELS.into_iter(), None);
        for own in 0..3 {
            let found = order(name, LABELS.into_iter(), Some(own));
            let rest: Vec<_> = plain.iter().copied().filter(|&index| index != own).collect();
            assert_eq!((found[0], &found[1..]), (own, &rest[..]));
        }
    }

    #[test]
    fn blobs_spread_evenly() {
        let mut first = [0_u32; 3];
        for n in 0..30_000_u32 {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&n.to_le_bytes());
            first[order(BlobName::from_bytes(octets), LABELS.into_iter(), None)[0]] += 1;
        }
        assert!(first.iter().all(|&count| (9_500..10_500).contains(&count)), "{first:?}");
    }

    // The numbers come from another program.
    #[test]
    fn places_are_those_of_every_version() {
        let name = BlobName::from_bytes([7; 16]);
        assert_eq!(
            LABELS.map(|label| weight(name, label)),
            [6_995_879_050_350_713_031, 14_109_624_551_983_616_806, 1_194_029_310_478_597_178]
        );
    }
}
