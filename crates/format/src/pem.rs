//! Key files: PEM blocks, and PKCS#8 under a passphrase.

use pem_rfc7468::{Decoder, LineEnding};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, Encode};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use zeroize::Zeroizing;

use crate::{Passphrase, RsaKeyError, random};

/// Rounds of PBKDF2-HMAC-SHA-256 that this crate writes; `openssl pkey` reads it with its defaults,
/// which scrypt of the same strength would not fit (it stops at 32 MiB).
const PBKDF2_ROUNDS: u32 = 600_000;
/// Most rounds that a file may ask for: some seconds.
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;
/// Most memory that a file may ask of scrypt, in bytes.
const MAX_SCRYPT_MEMORY: u64 = 256 << 20;
/// Most passes over that memory that a file may ask for.
const MAX_SCRYPT_LANES: u64 = 4;
/// Longest text that is looked at; a key of 4096 bits under a passphrase takes less than 4 KiB.
const MAX_TEXT: usize = 64 << 10;

/// One PEM block, strictly as RFC 7468 has it; white space may follow and text may stand before.
pub(crate) fn decode(text: &str) -> Result<(&str, Zeroizing<Vec<u8>>), RsaKeyError> {
    if text.len() > MAX_TEXT {
        return Err(RsaKeyError::Pem);
    }
    // What openssl wrote in the last century: a cipher in a header, and a key derived by one MD5.
    if text.contains("\nProc-Type:") {
        return Err(RsaKeyError::Encryption);
    }
    let mut decoder = Decoder::new(text.trim_ascii_end().as_bytes()).map_err(|_| RsaKeyError::Pem)?;
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    decoder.decode(&mut der).map_err(|_| RsaKeyError::Pem)?;
    Ok((decoder.type_label(), der))
}

/// `der` as a PEM block in lines of 64 characters.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let text = pem_rfc7468::encode_string(label, LineEnding::LF, der);
    Zeroizing::new(text.expect("a key is short and the label is ASCII"))
}

/// PKCS#8 under `passphrase`: PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC.
pub(crate) fn encrypt(pkcs8: &[u8], passphrase: &Passphrase) -> Vec<u8> {
    let (salt, iv): ([u8; 16], [u8; 16]) = (random::bytes(), random::bytes());
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ROUNDS, &salt, iv)
        .expect("these parameters are legal");
    let sealed =
        parameters.encrypt(passphrase.expose_secret(), pkcs8).expect("a key is short enough to be encrypted");
    let encrypted_data = OctetStringRef::new(&sealed).expect("a key is short");
    let info = EncryptedPrivateKeyInfoRef { encryption_algorithm: parameters.into(), encrypted_data };
    info.to_der().expect("the fields are legal")
}

/// What PKCS#8 under a passphrase holds. Costs are judged before anything is spent.
///
/// CBC authenticates nothing: some wrong passphrases give bytes all the same, and only what they
/// are parsed as tells.
pub(crate) fn decrypt(encrypted: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, RsaKeyError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(encrypted).map_err(|_| RsaKeyError::Encryption)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(RsaKeyError::Encryption);
    };
    check_costs(&parameters.kdf)?;
    let mut buffer = Zeroizing::new(info.encrypted_data.as_bytes().to_vec());
    let len = match parameters.decrypt_in_place(passphrase.expose_secret(), &mut buffer) {
        Ok(plain) => plain.len(),
        Err(pkcs8::pkcs5::Error::DecryptFailed) => return Err(RsaKeyError::Passphrase),
        Err(_) => return Err(RsaKeyError::Encryption),
    };
    buffer.truncate(len);
    Ok(buffer)
}

fn check_costs(kdf: &Kdf) -> Result<(), RsaKeyError> {
    let legal = match kdf {
        Kdf::Pbkdf2(pbkdf2) => (1..=MAX_PBKDF2_ROUNDS).contains(&pbkdf2.iteration_count),
        Kdf::Scrypt(scrypt) => {
            let (n, r) = (scrypt.cost_parameter, u64::from(scrypt.block_size));
            let memory = n.checked_mul(128 * r);
            n >= 2
                && n.is_power_of_two()
                && r >= 1
                && (1..=MAX_SCRYPT_LANES).contains(&scrypt.parallelization.into())
                && memory.is_some_and(|memory| memory <= MAX_SCRYPT_MEMORY)
        }
        _ => return Err(RsaKeyError::Encryption),
    };
    if legal { Ok(()) } else { Err(RsaKeyError::Cost) }
}

#[cfg(test)]
mod tests {
    use pkcs8::pkcs5::pbes2::{Pbkdf2Params, Pbkdf2Prf, ScryptParams};

    use super::*;

    #[test]
    fn a_key_file_is_at_most_64_kib_of_text() {
        let text = encode("PUBLIC KEY", &[7; 300]).to_string();
        let padded = |len: usize| text.clone() + &"\n".repeat(len - text.len());
        assert_eq!(*decode(&padded(65_536)).unwrap().1, [7; 300]);
        assert_eq!(decode(&padded(65_537)).map(drop), Err(RsaKeyError::Pem));
        assert_eq!(decode(&padded(65_538)).map(drop), Err(RsaKeyError::Pem));
    }

    /// Judged without doing the work.
    #[test]
    fn costs_are_legal_up_to_their_edges() {
        let cost = |kdf: Kdf| check_costs(&kdf).is_ok();
        let pbkdf2 = |iteration_count| {
            let (salt, prf) = ((&[7; 16][..]).try_into().unwrap(), Pbkdf2Prf::HmacWithSha256);
            cost(Kdf::Pbkdf2(Pbkdf2Params { salt, iteration_count, key_length: None, prf }))
        };
        assert!(pbkdf2(1) && pbkdf2(10_000_000));
        assert!(!pbkdf2(0) && !pbkdf2(10_000_001));
        let scrypt = |cost_parameter, block_size, parallelization| {
            let salt = (&[7; 16][..]).try_into().unwrap();
            let key_length = None;
            cost(Kdf::Scrypt(ScryptParams { salt, cost_parameter, block_size, parallelization, key_length }))
        };
        assert!(scrypt(2, 1, 1) && scrypt(1 << 18, 8, 1) && scrypt(1 << 21, 1, 4));
        assert!(!scrypt(1, 1, 1) && !scrypt(3, 1, 1) && !scrypt(2, 0, 1), "no cost at all");
        assert!(!scrypt(1 << 18, 9, 1) && !scrypt(1 << 22, 1, 1), "more than 256 MiB");
        assert!(!scrypt(2, 1, 0) && !scrypt(2, 1, 5), "lanes");
    }
}
