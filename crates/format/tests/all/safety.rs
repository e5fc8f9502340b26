//! Safety numbers.

use aws_lc_rs::digest::{SHA512, digest};
use envelope::RootId;
use format::safety::safety_number;

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
