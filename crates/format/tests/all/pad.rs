//! Padding.

use std::io::Read;

use format::OpenError;
use format::pad::{Padded, padme, strip};
use proptest::prelude::*;

#[test]
fn lengths_are_those_of_the_table() {
    for (stored, padded) in [
        (0, 4096),
        (1, 4096),
        (4095, 4096),
        (4096, 4096),
        (4097, 4352),
        (4352, 4352),
        (4353, 4608),
        (8191, 8192),
        (8192, 8192),
        (8193, 8704),
        (10_000, 10_240),
        (65_537, 67_584),
        (1_000_000, 1_015_808),
        (1 << 20, 1 << 20),
        ((1 << 20) + 1, (1 << 20) + (1 << 15)),
        (1 << 44, 1 << 44),
    ] {
        assert_eq!(padme(stored), padded, "{stored}");
    }
}

proptest! {
    #[test]
    fn padding_costs_at_most_twelve_percent_and_hides_low_bits(stored in 4096_u64..=1 << 44) {
        let padded = padme(stored);
        prop_assert!(padded >= stored);
        prop_assert!((padded - stored) * 100 <= stored * 12);
        prop_assert_eq!(padme(padded), padded);
        // The definition, with the numbers of the paper.
        let e = 63 - u64::from(stored.leading_zeros());
        let s = 64 - u64::from(e.leading_zeros());
        prop_assert_eq!(padded, stored.div_ceil(1 << (e - s)) << (e - s));
    }

    #[test]
    fn a_padded_reader_gives_the_source_then_zeros(source in prop::collection::vec(1_u8.., 0..9000), step in 1_usize..3000) {
        let mut padded = Padded::new(source.as_slice());
        let (mut all, mut buffer) = (Vec::new(), vec![7; step]);
        loop {
            match padded.read(&mut buffer).unwrap() {
                0 => break,
                read => all.extend_from_slice(&buffer[..read]),
            }
        }
        prop_assert_eq!(padded.stored_size(), source.len() as u64);
        prop_assert_eq!(all.len() as u64, padme(source.len() as u64));
        prop_assert_eq!(&all[..source.len()], &source[..]);
        prop_assert!(all[source.len()..].iter().all(|byte| *byte == 0));
        prop_assert_eq!(strip(source.len() as u64, 0, &all), Ok(&source[..]));
    }
}

#[test]
fn padding_that_is_not_zero_is_refused() {
    assert_eq!(strip(3, 0, b"abc\0\0"), Ok(&b"abc"[..]));
    assert_eq!(strip(3, 0, b"abc\0\x01"), Err(OpenError::NotAuthentic));
    assert_eq!(strip(3, 3, b"\0\0"), Ok(&b""[..]));
    assert_eq!(strip(3, 100, b"\0\x01"), Err(OpenError::NotAuthentic));
    assert_eq!(strip(103, 100, b"abcde"), Err(OpenError::NotAuthentic));
    assert_eq!(strip(u64::MAX, 0, b"abc"), Ok(&b"abc"[..]));
}
