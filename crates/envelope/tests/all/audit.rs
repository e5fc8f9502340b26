//! The head of the log: what the server signs, and how it is spelled.

use envelope::MAX_INTEGER;
use envelope::audit::Head;
use envelope::merkle::Node;

use crate::fixtures::Signer;

#[test]
fn a_head_counts_only_under_the_signature_over_exactly_it() {
    let (signer, stranger) = (Signer::new(1), Signer::new(2));
    let head = Head { seq: 0x0102, hash: Node::from_bytes([7; 32]) };
    let bytes = [&b"waxwing/v1/audit/head\0"[..], &[0, 0, 0, 0, 0, 0, 1, 2], &[7; 32]].concat();
    assert_eq!(head.signed_bytes(), bytes);
    let signature = signer.sign(&[&bytes]);
    assert!(head.verify(&signer.public(), &signature).is_ok());
    assert!(head.verify(&stranger.public(), &signature).is_err());
    assert!(Head { seq: 0x0103, ..head }.verify(&signer.public(), &signature).is_err());
    assert!(Head { hash: Node::from_bytes([8; 32]), ..head }.verify(&signer.public(), &signature).is_err());
}

#[test]
fn the_highest_number_of_a_head_is_read_and_the_next_is_not() {
    let hash = "ab".repeat(32);
    let read = format!("{MAX_INTEGER}:{hash}").parse::<Head>().unwrap();
    assert_eq!(read.seq, MAX_INTEGER);
    assert!(format!("{}:{hash}", MAX_INTEGER + 1).parse::<Head>().is_err());
    assert!(format!("1:{hash}").parse::<Head>().is_ok());
}
