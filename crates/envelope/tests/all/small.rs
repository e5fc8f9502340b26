//! The outside of small messages.

use envelope::ParseError;
use envelope::small::{SMALL_PLAIN_MAX, check_header, check_small};

use crate::fixtures::{floe_header, small, with};

#[test]
fn small_messages_hold_from_nothing_to_a_full_segment() {
    for plain_len in [0, 1, 32, SMALL_PLAIN_MAX] {
        assert_eq!(check_small(&small(plain_len), "field"), Ok(()), "{plain_len}");
    }
    let too_long = check_small(&small(SMALL_PLAIN_MAX + 1), "field");
    assert_eq!(too_long, Err(ParseError::OutOfRange { field: "field" }));
    for len in [0, 9, 10, 73, 74, 105] {
        let cut = check_small(&small(0)[..len], "field");
        assert_eq!(cut, Err(ParseError::OutOfRange { field: "field" }), "{len}");
    }
}

#[test]
fn every_byte_of_the_parameters_counts() {
    assert_eq!(check_header(&floe_header()), Ok(()));
    for at in 0..10 {
        let mut header = floe_header();
        header[at] ^= 1;
        assert!(check_header(&header).is_err(), "{at}");
        let message = with(&small(5), at, &[header[at]]);
        assert_eq!(check_small(&message, "field"), Err(ParseError::UnknownCode { field: "field" }), "{at}");
    }
    assert!(check_small(&with(&small(5), 77, &[38]), "field").is_err(), "length word");
}
