//! Addresses in their one spelling.

use envelope::Address;
use proptest::prelude::*;

#[test]
fn what_a_person_types_becomes_the_one_spelling() {
    for (typed, normal) in [
        ("alice@wax.example", "alice@wax.example"),
        (" Alice@WAX.Example ", "Alice@wax.example"),
        ("a.b+c@localhost", "a.b+c@localhost"),
        ("ali\u{0301}ce@wax.example", "al\u{00ed}ce@wax.example"),
        ("x@B\u{00dc}CHER.example", "x@b\u{00fc}cher.example"),
    ] {
        let address = Address::parse(typed).unwrap();
        assert_eq!(address.as_str(), normal);
        assert!(Address::parse_canonical(normal).is_ok());
        assert_eq!(Address::parse_canonical(typed).is_ok(), typed == normal);
    }
}

#[test]
fn what_is_no_address_is_refused() {
    let long_local = format!("{}@wax.example", "a".repeat(65));
    let long = format!("a@{}", "abcdefghi.".repeat(26) + "example");
    for bad in [
        "",
        "@",
        "a@",
        "@b",
        "a",
        "a@b@c",
        "a b@c.example",
        "a@b c",
        "a@-b.example",
        "a@b-.example",
        "a@b..example",
        "a@.b",
        "a@b.",
        ".a@b",
        "a.@b",
        "a..b@c",
        "\"a\"@b",
        "a@[127.0.0.1]",
        "a\n@b",
        "a\0@b",
        "a@b\u{202e}c",
        "<a@b>",
        "a,b@c",
        &long_local,
        &long,
    ] {
        assert!(Address::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_longest_address_has_254_bytes() {
    let domain = |len: usize| format!("{}.{}.{}", "b".repeat(63), "c".repeat(63), "d".repeat(len - 128));
    let longest = format!("{}@{}", "a".repeat(64), domain(189));
    assert_eq!((longest.len(), Address::parse(&longest).unwrap().as_str()), (254, longest.as_str()));
    let longer = format!("{}@{}", "a".repeat(64), domain(190));
    assert_eq!(longer.len(), 255);
    assert!(Address::parse(&longer).is_err());
}

/// Text is looked at only up to four times the longest address, whatever it would become.
#[test]
fn what_is_typed_is_bounded_before_it_is_normalised() {
    let typed = |len: usize| format!("{:>len$}", "a@b.example");
    assert_eq!(Address::parse(&typed(1016)).unwrap().as_str(), "a@b.example");
    assert!(Address::parse(&typed(1017)).is_err());
    assert!(Address::parse(&typed(2000)).is_err());
}

#[test]
fn debug_tells_nothing() {
    let address = Address::parse("alice@wax.example").unwrap();
    assert_eq!(format!("{address:?}"), "[address]");
}

#[test]
fn json_is_the_text() {
    let address = Address::parse("alice@wax.example").unwrap();
    let json = serde_json::to_string(&address).unwrap();
    assert_eq!(json, "\"alice@wax.example\"");
    assert_eq!(serde_json::from_str::<Address>(&json).unwrap(), address);
}

proptest! {
    #[test]
    fn normal_form_is_stable(local in "\\w{1,12}", domain in "\\w{1,12}(\\.\\w{1,5})?") {
        if let Ok(address) = Address::parse(&format!("{local}@{domain}")) {
            prop_assert_eq!(Address::parse_canonical(address.as_str()), Ok(address));
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text: String) {
        let _ = Address::parse(&text);
    }
}
