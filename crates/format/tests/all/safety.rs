//! Safety numbers.

use aws_lc_rs::digest::{SHA512, digest};
use envelope::RootId;
use format::safety::{SafetyNumber, safety_number};

#[test]
fn both_people_see_the_same_number() {
    let (one, other) = (RootId::from_bytes([1; 32]), RootId::from_bytes([2; 32]));
    let number = safety_number(&one, &other);
    assert_eq!(number, safety_number(&other, &one));
    assert_ne!(number, safety_number(&one, &one));
    let text = number.to_string();
    assert_eq!(text.len(), 12 * 5 + 11);
    assert!(text.split(' ').all(|group| group.len() == 5 && group.bytes().all(|b| b.is_ascii_digit())));
}

#[test]
fn the_number_is_that_of_the_written_rule() {
    let message = [b"waxwing/v1/safety\0".as_slice(), &[1; 32], &[2; 32]].concat();
    let hash = digest(&SHA512, &message);
    let groups: Vec<String> = hash.as_ref()[..60]
        .chunks(5)
        .map(|bytes| {
            let number = bytes.iter().fold(0_u64, |number, byte| number * 256 + u64::from(*byte));
            format!("{:05}", number % 100_000)
        })
        .collect();
    let number = safety_number(&RootId::from_bytes([2; 32]), &RootId::from_bytes([1; 32]));
    assert_eq!(number.to_string(), groups.join(" "));
}

/// Computed apart from this code: SHA-512, the digits and the bits by a few lines of Python, the words from the
/// published list.
const KNOWN: [(&str, &str); 2] = [
    (
        "29788 99142 13364 67062 58168 57308 06779 33769 19509 52090 96430 08846",
        "split super lizard wealth farm pilot tonight squirrel domain dizzy public smoke rotate wasp surprise allow \
         tent remind",
    ),
    (
        "48835 87196 75505 21797 98989 05846 95996 41948 43436 57842 05718 13580",
        "flush lawsuit throw major try buyer caught monster black social arrange wash curious keep bike design visa \
         recall",
    ),
];

fn known() -> [SafetyNumber; 2] {
    let rising = std::array::from_fn(|n| u8::try_from(n).unwrap());
    let falling = rising.map(|byte: u8| 255 - byte);
    [([1; 32], [2; 32]), (rising, falling)]
        .map(|(one, other)| safety_number(&RootId::from_bytes(one), &RootId::from_bytes(other)))
}

#[test]
fn digits_and_words_are_those_computed_elsewhere() {
    for (number, (digits, words)) in known().iter().zip(KNOWN) {
        assert_eq!(number.to_string(), digits);
        assert!(digits.split(' ').map(|group| group.parse::<u32>().unwrap()).eq(*number.groups()));
        assert_eq!(number.words().join(" "), words);
    }
}

#[test]
fn a_scanned_code_is_the_same_or_another_or_no_safety_number() {
    let [one, other] = known();
    assert_eq!(one.qr_text(), format!("WAXWING-SAFETY-1:{}", KNOWN[0].0.replace(' ', "")));
    assert_eq!(one.same_as_scanned(&one.qr_text()), Ok(true));
    assert_eq!(one.same_as_scanned(&format!(" {}\n", one.qr_text())), Ok(true));
    assert_eq!(one.same_as_scanned(&other.qr_text()), Ok(false));
    let text = one.qr_text();
    for odd in [
        "",
        "https://files.example",
        &text[1..],
        &text[..text.len() - 1],
        &format!("{text}0"),
        &text.replace("Y-1", "Y-2"),
        &text.to_lowercase(),
        &text.replace('8', "x"),
    ] {
        assert!(one.same_as_scanned(odd).is_err(), "{odd}");
    }
}
