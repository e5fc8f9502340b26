//! What must never be printed.

use envelope::{FileId, RootId, Suite};
use format::metadata::Preview;
use format::{
    FileKey, FileName, Identity, JournalKey, Passphrase, PayloadOpener, PayloadSealer, RootKeyPair, Secret,
    VaultKey, random,
};

#[test]
fn debug_of_secrets_prints_nothing() {
    let secret = || Secret::from_bytes([0xab; 32]);
    let fk = FileKey::from_secret(secret());
    let sealer = PayloadSealer::generate(&fk, Suite::Anonymous, FileId::from_bytes([0; 16]), RootId::ZERO);
    let opener =
        PayloadOpener::new(&fk, Suite::Anonymous, FileId::from_bytes([0; 16]), RootId::ZERO, sealer.header());
    let printed = [
        format!("{:?}", secret()),
        format!("{fk:#?}"),
        format!("{:?}", VaultKey::from_secret(secret())),
        format!("{:?}", JournalKey::from_secret(secret())),
        format!("{:?}", RootKeyPair::from_seed(secret())),
        format!("{:#?}", Identity::generate()),
        format!("{:?}", Passphrase::parse("abababab".to_owned()).unwrap()),
        format!("{:?}", FileName::parse("abababab").unwrap()),
        format!("{:?}", Preview { media_type: "abab".to_owned(), bytes: vec![0xab; 9] }),
        format!("{sealer:#?}"),
        format!("{opener:#?}"),
    ];
    for text in printed {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        assert_eq!(digits, 0, "{text}");
        assert!(!text.contains("abab"), "{text}");
    }
}

#[test]
fn secrets_are_equal_only_to_themselves() {
    assert_eq!(Secret::from_bytes([1; 32]), Secret::from_bytes([1; 32]));
    assert_ne!(Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]));
    assert_ne!(FileKey::generate(), FileKey::generate());
}

#[test]
fn new_ids_are_random_uuids_of_version_four() {
    let (one, other) = (random::file_id(), random::file_id());
    assert_ne!(one, other);
    for _ in 0..64 {
        let id = random::file_id();
        assert_eq!(id.as_bytes()[6] >> 4, 4);
        assert_eq!(id.as_bytes()[8] >> 6, 2);
    }
}
