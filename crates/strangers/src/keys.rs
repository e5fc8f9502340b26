//! Key files and recovery phrases, as somebody hands them over.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::PublicEncryptingKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use envelope::bundle::XWING_PUBLIC_LEN;
use format::Passphrase;
use format::phrase::{RecoveryPhrase, WORDS, complete};
use format::rsa::{RsaKeyError, RsaPrivateKey, RsaPublicKey};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Decode;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;

static PASSPHRASE: LazyLock<Passphrase> =
    LazyLock::new(|| Passphrase::parse("passphrase".to_owned()).expect("it is not empty"));

/// A PEM file of a public key: what reads is written and read as the same key.
pub fn pem_public(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(key) = RsaPublicKey::from_pem(text) else { return };
    let again = RsaPublicKey::from_pem(&key.to_pem()).expect("what was written reads");
    assert_eq!(again.spki(), key.spki());
    spki(key.spki());
}

/// A DER SubjectPublicKeyInfo: one spelling, one of three sizes, one exponent.
pub fn spki(data: &[u8]) {
    let Ok(key) = RsaPublicKey::from_spki(data) else { return };
    assert_eq!(key.spki(), data);
    assert_eq!(data.len(), key.bits().spki_len());
    assert!([294, 422, 550].contains(&data.len()) && data.len() != XWING_PUBLIC_LEN);
    assert!(data.ends_with(&[2, 3, 1, 0, 1]), "the exponent is 65537");
    let modulus = &data[data.len() - 5 - key.bits().modulus_len()..data.len() - 5];
    assert!(modulus[0] & 0x80 != 0, "the modulus has all its bits");
    let other = PublicEncryptingKey::from_der(data).expect("it was just read");
    assert_eq!(other.as_der().expect("it has a spelling").as_ref(), data);
}

/// A PEM file of a private key without a passphrase, or one whose passphrase was not given.
pub fn pem_private(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = RsaPrivateKey::from_pem(text, None) {
        same_key(&key);
    }
}

/// A PKCS#8 document without a passphrase.
pub fn pkcs8_private(data: &[u8]) {
    if let Ok(key) = RsaPrivateKey::from_pkcs8(data) {
        same_key(&key);
    }
}

fn same_key(key: &RsaPrivateKey) {
    let again = RsaPrivateKey::from_pkcs8(key.pkcs8()).expect("what was written reads");
    assert_eq!(again.pkcs8(), key.pkcs8());
    assert_eq!(again.public(), key.public());
    spki(key.public().spki());
}

/// A PKCS#8 document under a passphrase: without one it is refused, and costs that no honest file
/// asks for are refused before they are paid.
pub fn pem_encrypted(data: &[u8]) {
    let pem = format!(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{}-----END ENCRYPTED PRIVATE KEY-----\n",
        lines(&STANDARD.encode(data))
    );
    let without = RsaPrivateKey::from_pem(&pem, None).err();
    let expected = [RsaKeyError::PassphraseNeeded, RsaKeyError::Pem];
    assert!(without.is_some_and(|error| expected.contains(&error)));
    // Costs within the limit are honest, but a fuzzer that pays them gets nowhere.
    if !is_cheap_or_refused(data) {
        return;
    }
    if let Ok(key) = RsaPrivateKey::from_pem(&pem, Some(&PASSPHRASE)) {
        same_key(&key);
    }
}

fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 64 + 1);
    for (n, c) in text.chars().enumerate() {
        if n > 0 && n.is_multiple_of(64) {
            out.push('\n');
        }
        out.push(c);
    }
    out.push('\n');
    out
}

fn is_cheap_or_refused(der: &[u8]) -> bool {
    let Ok(info) = EncryptedPrivateKeyInfoRef::from_der(der) else { return true };
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else { return true };
    match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= 1000 || pbkdf2.iteration_count > 10_000_000,
        Kdf::Scrypt(scrypt) => {
            let work = u128::from(scrypt.cost_parameter)
                * u128::from(u64::from(scrypt.block_size))
                * u128::from(u64::from(scrypt.parallelization));
            work <= 1 << 14 || work > 1 << 23
        }
        _ => true,
    }
}

/// The words of a recovery phrase: what reads has one full spelling, which reads as the same.
pub fn phrase(data: &[u8]) {
    let Ok(typed) = std::str::from_utf8(data) else { return };
    for word in typed.split_whitespace().take(WORDS) {
        if let Some(full) = complete(word) {
            assert!(full.starts_with(&word.to_lowercase()));
            assert_eq!(complete(full), Some(full));
        }
    }
    let Ok(phrase) = RecoveryPhrase::parse(typed.to_owned()) else { return };
    let words = phrase.words();
    assert!(typed.split_whitespace().zip(words).all(|(typed, word)| complete(typed) == Some(word)));
    assert_eq!(typed.split_whitespace().count(), WORDS);
    let again = RecoveryPhrase::parse(words.join(" ")).expect("what was written reads");
    assert!(again == phrase && again.words() == words);
}
